// When more comes for long than anybody could look at, only a part of it is shown, evenly, and the list says so.
//
// What comes in a burst, such as all that a log has kept, is taken whole, so that what the list keeps of it has no holes. What goes
// on for so long that every card would be replaced within a few seconds is too fast even to pause it. Gaps are always shown.

import type { Entry } from "./history.ts";
import type { Item } from "./item.ts";

/** How long a card stays at least, on the whole, once a burst of so many lists has been taken. */
const LIFE_S = 5;
const BURST_LISTS = 10;
/** Lists of a few cards, too, take a burst whole, and a busy day. */
const BURST_MIN = 1_000;
const RATE_MIN = 200;

export class Sampler {
  sampledOut = 0;
  /** Of so many changes one is shown now; 1: all. */
  share = 1;
  private readonly burst: number;
  private readonly rate: number;
  private allowance: number;
  private last = 0;
  /** Left out since the last that was kept. */
  private skipped = 0;

  constructor(max: number) {
    this.burst = Math.max(BURST_LISTS * max, BURST_MIN);
    this.rate = Math.max(max / LIFE_S, RATE_MIN);
    this.allowance = this.burst;
  }

  /** What of `items` is shown, at the time `now` (milliseconds). */
  take(items: readonly Item[], now: number): Entry[] {
    const earned = this.last === 0 ? 0 : ((now - this.last) / 1_000) * this.rate;
    this.last = now;
    this.allowance = Math.min(this.burst, this.allowance + earned);
    const changes = items.reduce((count, { kind }) => count + (kind === "change" ? 1 : 0), 0);
    const kept = Math.min(changes, Math.floor(this.allowance));
    this.allowance -= kept;
    // Smoothed, since one frame brings more than the next.
    const share = changes / Math.max(1, kept);
    this.share = changes === kept ? 1 : this.share === 1 ? share : this.share * 0.8 + share * 0.2;
    return this.pick(items, changes, kept);
  }

  private pick(items: readonly Item[], changes: number, kept: number): Entry[] {
    const entries: Entry[] = [];
    // As Bresenham draws a line: `kept` of `changes`, as even as can be, the newest among them.
    let error = 0;
    for (const item of items) {
      const isKept = item.kind === "gap" || (error += kept) >= changes;
      if (!isKept) {
        this.skipped += 1;
        this.sampledOut += 1;
        continue;
      }
      if (item.kind === "change") error -= changes;
      entries.push({ item, skipped: this.skipped, height: 0, view: undefined });
      this.skipped = 0;
    }
    return entries;
  }
}
