// How many changes of each operation happened in each second of the last hour.

/** One line each, in the order of the legend. */
export const LINES = ["insert", "update", "replace", "delete", "other"] as const;
export type Line = (typeof LINES)[number];

/** An hour, and the minute that a range may reach further back for its first, unfinished step. */
const SECONDS_KEPT = 3_660;

const LINE_OF: ReadonlyMap<string, number> = new Map(LINES.map((line, at) => [line, at]));
const OTHER = LINES.length - 1;

export class Throughput {
  readonly #counts = LINES.map(() => new Uint32Array(SECONDS_KEPT));
  #newest = Math.floor(Date.now() / 1000);

  /** Counts a change that happened at `time` (milliseconds); one of the future happened now. */
  add(operation: string, time: number, now = Date.now()): void {
    this.#turn(now);
    const second = Math.min(Math.floor(time / 1000), this.#newest);
    if (!(second > this.#newest - SECONDS_KEPT)) return;
    const counts = this.#counts[LINE_OF.get(operation) ?? OTHER];
    const at = second % SECONDS_KEPT;
    if (counts) counts[at] = (counts[at] ?? 0) + 1;
  }

  clear(): void {
    for (const counts of this.#counts) counts.fill(0);
  }

  /** Changes per second of each line, oldest first, in `steps` steps of `seconds` seconds each, up to the last whole second. */
  rates(seconds: number, steps: number, now = Date.now()): number[][] {
    this.#turn(now);
    const last = this.#newest - 1;
    // Steps begin at multiples of their length: else every value would move at every second.
    const end = Math.floor(last / seconds) * seconds + seconds;
    return this.#counts.map((counts) =>
      Array.from({ length: steps }, (_, step) => {
        const from = end - (steps - step) * seconds;
        const passed = Math.min(seconds, last - from + 1);
        return this.#sum(counts, from, passed) / passed;
      }),
    );
  }

  /** Changes of each line in the last `seconds` whole seconds. */
  totals(seconds: number, now = Date.now()): number[] {
    this.#turn(now);
    return this.#counts.map((counts) => this.#sum(counts, this.#newest - seconds, seconds));
  }

  #sum(counts: Uint32Array, from: number, seconds: number): number {
    let sum = 0;
    for (let second = from; second < from + seconds; second++) sum += this.#at(counts, second);
    return sum;
  }

  #at(counts: Uint32Array, second: number): number {
    return second > this.#newest || second <= this.#newest - SECONDS_KEPT ? 0 : (counts[second % SECONDS_KEPT] ?? 0);
  }

  /** Forgets the seconds whose places are taken by new ones. */
  #turn(now: number): void {
    const current = Math.floor(now / 1000);
    const first = Math.max(this.#newest + 1, current - SECONDS_KEPT + 1);
    for (let second = first; second <= current; second++) {
      for (const counts of this.#counts) counts[second % SECONDS_KEPT] = 0;
    }
    this.#newest = Math.max(this.#newest, current);
  }
}
