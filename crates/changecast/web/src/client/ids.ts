// Event ids, `<epoch>-<seq>`: places in the log that the epoch names.

function parts(id: string): [epoch: string, seq: number] {
  const cut = id.lastIndexOf("-");
  return [id.slice(0, cut), Number(id.slice(cut + 1))];
}

/** How many entries `id` is behind `tail`: below zero if it is ahead. Ids of two logs have no distance, nor has none. */
export function distance(id: string | undefined, tail: string): number {
  const [epoch, seq] = parts(id ?? "");
  const [tailEpoch, tailSeq] = parts(tail);
  return epoch === tailEpoch ? tailSeq - seq : NaN;
}

/** Whether everything up to `id` has been seen by who is at `position`. */
export const covers = (position: string | undefined, id: string): boolean => distance(position, id) <= 0;
