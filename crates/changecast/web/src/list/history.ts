// The items that a list keeps, in the order in which they came; the oldest go when there are too many, in number or size.

import type { Item } from "./item.ts";
import type { View } from "./view.ts";

export interface Entry {
  readonly item: Item;
  /** How many changes before this one were left out. */
  skipped: number;
  /** In pixels, with the distance to the next; 0: not known yet. */
  height: number;
  view: View | undefined;
}

/** What an item weighs beside its text. */
const ITEM_WEIGHT = 512;

const weightOf = ({ item }: Entry): number => ITEM_WEIGHT + (item.kind === "change" ? item.size : item.gap.reason.length);

export class History {
  /** Oldest first. */
  readonly entries: Entry[] = [];
  private weight = 0;

  constructor(private readonly countMax: number, private readonly weightMax: number) {}

  /** Says how many of the oldest had to go. */
  push(added: readonly Entry[]): number {
    for (const entry of added) {
      this.entries.push(entry);
      this.weight += weightOf(entry);
    }
    return this.trim();
  }

  clear(): void {
    this.entries.length = 0;
    this.weight = 0;
  }

  /** Takes all out. */
  take(): Entry[] {
    const taken = this.entries.slice();
    this.clear();
    return taken;
  }

  private trim(): number {
    let gone = 0;
    // However large the newest is, it stays.
    while (this.entries.length - gone > 1 && (this.entries.length - gone > this.countMax || this.weight > this.weightMax)) {
      this.weight -= weightOf(this.entries[gone]!);
      gone += 1;
    }
    if (gone > 0) this.entries.splice(0, gone);
    return gone;
  }
}
