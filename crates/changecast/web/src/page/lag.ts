// How far behind the source's clock the live changes come.

import { byId, say } from "./dom.ts";
import { span } from "./times.ts";

/** The last of them: one that is late should be seen, and forgotten. */
const SAMPLE_COUNT = 20;
const FORGOTTEN_AFTER_MS = 60_000;
/** Clocks differ by a little; beyond this, the difference is theirs and not a lag. */
const SKEW_MAX_MS = 1_000;

export class Lag {
  #samples: number[] = [];
  #last = 0;

  constructor() {
    setInterval(() => this.#draw(), 1000);
  }

  /** A live change that happened at `time`. */
  add(time: number, now: number): void {
    this.#samples.push(now - time);
    if (this.#samples.length > SAMPLE_COUNT) this.#samples.shift();
    this.#last = now;
  }

  #draw(): void {
    if (Date.now() - this.#last > FORGOTTEN_AFTER_MS) this.#samples = [];
    const sorted = [...this.#samples].sort((one, other) => one - other);
    const median = sorted[Math.floor(sorted.length / 2)];
    say(byId("lag"), median === undefined ? "–" : median < -SKEW_MAX_MS ? "clocks differ" : span(Math.max(median, 0)));
  }
}
