// What comes, on its way into the list: sampled where it is too much, and kept waiting while the list is to stay as it is.
//
// What waits is bounded as the list is. Where it overflows, the whole list has been overtaken, so that no hole comes about.

import type { Announcer } from "./announcer.ts";
import { History } from "./history.ts";
import type { Item } from "./item.ts";
import { gapTitle, keyText, wordOf } from "./look.ts";
import { Sampler } from "./sampler.ts";
import { counted } from "./text.ts";

/** All changes of a list together, in characters on the wire; parsed, they take a few times as much. */
const WEIGHT_MAX = 48 * 1024 * 1024;
/** Items are looked through at least each so many, also while no frame comes. */
const ARRIVED_MAX = 1_000;

export class Intake {
  /** What is in the list. */
  readonly history: History;
  /** Changes, and with the gaps. */
  received = 0;
  seen = 0;
  /** How many came since the list was last as it should be. */
  waitingCount = 0;
  private readonly waiting: History;
  private readonly sampler: Sampler;
  private arrived: Item[] = [];
  private hasOverflowed = false;
  private announced = 0;

  constructor(max: number, private readonly onSampling: (share: number) => void) {
    this.history = new History(max, WEIGHT_MAX);
    this.waiting = new History(max, WEIGHT_MAX);
    this.sampler = new Sampler(max);
  }

  get sampledOut(): number {
    return this.sampler.sampledOut;
  }

  add(item: Item, isOpen: boolean): void {
    if (item.kind === "change") this.received += 1;
    this.seen += 1;
    this.arrived.push(item);
    if (this.arrived.length >= ARRIVED_MAX) this.settle(isOpen);
  }

  /** Looks through what has arrived, and has it join the list if that is open. Says how many joined. */
  settle(isOpen: boolean): number {
    const items = this.arrived;
    this.arrived = [];
    if (items.length > 0) {
      this.waitingCount += items.length;
      const entries = this.sampler.take(items, performance.now());
      if (this.sampler.share > 1) this.onSampling(this.sampler.share);
      if (this.waiting.push(entries) > 0) this.hasOverflowed = true;
    }
    return isOpen ? this.join() : 0;
  }

  clear(): void {
    this.arrived = [];
    this.history.clear();
    this.waiting.clear();
    this.hasOverflowed = false;
    this.received = this.seen = this.announced = this.waitingCount = this.sampler.sampledOut = 0;
  }

  announce(announcer: Announcer): void {
    announcer.later(() => {
      const last = (this.waiting.entries.at(-1) ?? this.history.entries.at(-1))?.item;
      const fresh = this.received - this.announced;
      this.announced = this.received;
      if (!last) return "";
      if (last.kind === "gap") return gapTitle(last.gap);
      const sampled = this.sampler.share > 1 ? ", of which only some are shown" : "";
      return `${counted(fresh, "new change")}${sampled}. The last: ${wordOf(last)} ${last.topic} ${keyText(last.change.documentKey)}`;
    });
  }

  private join(): number {
    const joined = this.waitingCount;
    if (joined === 0) return 0;
    if (this.hasOverflowed) this.history.clear();
    this.hasOverflowed = false;
    this.history.push(this.waiting.take());
    this.waitingCount = 0;
    return joined;
  }
}
