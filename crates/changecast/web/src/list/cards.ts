// The cards that are in the page: those in sight, and a few around them. Above and below them stands empty space as high as
// all the others, whose heights are known or guessed.

import { buildCard } from "./card.ts";
import { element, focusedBeside } from "./dom.ts";
import type { Entry } from "./history.ts";
import { lookOf, type Look } from "./look.ts";
import type { Clock } from "./time.ts";
import type { Viewport } from "./viewport.ts";

/** Between two cards, as the style sheet has it. */
const DISTANCE = 10;
const AROUND = 800;
/** In the page wherever the list is, so that somebody who jumps there sees something at once. */
const CARDS_MIN = 12;
const GUESS = 240;

export class Cards {
  private readonly byEntry = new Map<Entry, HTMLElement>();
  private readonly entryOf = new WeakMap<Element, Entry>();
  private readonly above = element("p", "cc-space cc-above");
  private readonly below = element("p", "cc-space cc-below");
  private readonly sizes = new Map<Look, { sum: number; count: number }>();
  private readonly resizes: ResizeObserver;
  private width = 0;

  /** `entries` are oldest first; the page shows the newest first. */
  constructor(
    private readonly container: HTMLElement,
    private readonly viewport: Viewport,
    private readonly entries: readonly Entry[],
    private readonly clock: Clock,
    private readonly onResize: () => void,
  ) {
    container.append(this.above, this.below);
    this.resizes = new ResizeObserver(() => this.measure() && this.onResize());
  }

  entry(card: Element): Entry | undefined {
    return this.entryOf.get(card);
  }

  card(entry: Entry): HTMLElement | undefined {
    return this.byEntry.get(entry);
  }

  /** How far the list is scrolled, in pixels from its first card. */
  get offset(): number {
    return this.viewport.top - this.above.getBoundingClientRect().top;
  }

  /**
   * Brings into the page what is in sight. With `isHeld` the first card in sight stays where it is, whatever becomes of those
   * above it.
   */
  render(isHeld: boolean, arrived: number): void {
    this.forgetWidths();
    const anchor = isHeld ? this.anchor() : undefined;
    const [first, end, above, below] = this.window(this.offset);
    this.replace(first, end, arrived);
    this.above.style.height = `${above}px`;
    this.below.style.height = `${below}px`;
    this.measure();
    if (!anchor?.card.isConnected) return;
    const moved = anchor.card.getBoundingClientRect().top - anchor.top;
    if (Math.abs(moved) >= 1) this.viewport.scrollBy(moved);
  }

  /** Where the card of `entry` begins, in pixels from the first. */
  offsetOf(entry: Entry): number {
    let offset = 0;
    for (let index = this.entries.length - 1; index >= 0 && this.entries[index] !== entry; index -= 1) {
      offset += this.heightOf(this.entries[index]!);
    }
    return offset;
  }

  clear(): void {
    for (const [entry, card] of this.byEntry) this.remove(entry, card);
    this.resizes.disconnect();
  }

  private heightOf(entry: Entry): number {
    if (entry.height > 0) return entry.height;
    const known = this.sizes.get(lookOf(entry.item));
    return known ? known.sum / known.count : GUESS;
  }

  /** Which entries are to be in the page, counted from the newest, and what stands above and below them. */
  private window(offset: number): [first: number, end: number, above: number, below: number] {
    const count = this.entries.length;
    const [from, to] = [offset - AROUND, offset + this.viewport.height + AROUND];
    let [first, end, above, below, place] = [count, count, 0, 0, 0];
    for (let index = 0; index < count; index += 1) {
      const height = this.heightOf(this.entries[count - 1 - index]!);
      if (place + height <= from && index < count - CARDS_MIN) above += height;
      else if (first === count) first = index;
      if (place >= to && index >= first + CARDS_MIN) {
        if (end === count) end = index;
        below += height;
      }
      place += height;
    }
    return [first, end, above, below];
  }

  private replace(first: number, end: number, arrived: number): void {
    const wanted = new Set<Entry>();
    for (let index = first; index < end; index += 1) wanted.add(this.entries[this.entries.length - 1 - index]!);
    for (const [entry, card] of this.byEntry) if (!wanted.has(entry)) this.remove(entry, card);
    let next: Element | null = this.container.firstElementChild;
    let index = first;
    for (const entry of wanted) {
      const known = this.byEntry.get(entry);
      if (known && known === next) next = known.nextElementSibling;
      else this.container.insertBefore(known ?? this.make(entry, index < arrived), next);
      index += 1;
    }
  }

  private make(entry: Entry, isNew: boolean): HTMLElement {
    const card = buildCard(entry, this.clock);
    if (isNew) card.classList.add("arrives");
    this.byEntry.set(entry, card);
    this.entryOf.set(card, entry);
    this.resizes.observe(card);
    return card;
  }

  private remove(entry: Entry, card: HTMLElement): void {
    // The keyboard goes on from the list when the card that it was in is gone.
    if (card.contains(focusedBeside(card))) this.container.focus({ preventScroll: true });
    this.byEntry.delete(entry);
    this.resizes.unobserve(card);
    this.clock.drop(card);
    card.remove();
  }

  /** Notes the heights of what is in the page. Says whether any was another. */
  private measure(): boolean {
    let isOther = false;
    for (const [entry, card] of this.byEntry) {
      const { height } = card.getBoundingClientRect();
      if (height === 0 || Math.abs(entry.height - height - DISTANCE) < 0.5) continue;
      if (entry.height === 0) this.learn(lookOf(entry.item), height + DISTANCE);
      entry.height = height + DISTANCE;
      isOther = true;
    }
    return isOther;
  }

  private learn(look: Look, height: number): void {
    const { sum, count } = this.sizes.get(look) ?? { sum: 0, count: 0 };
    this.sizes.set(look, { sum: sum + height, count: count + 1 });
  }

  /** Other lines break at another width. */
  private forgetWidths(): void {
    const width = this.container.clientWidth;
    if (width === this.width) return;
    this.width = width;
    this.sizes.clear();
    for (const entry of this.entries) entry.height = 0;
  }

  /** The first card in sight. */
  private anchor(): { card: HTMLElement; top: number } | undefined {
    const edge = this.viewport.top;
    for (let card = this.container.firstElementChild; card; card = card.nextElementSibling) {
      if (!this.entryOf.has(card)) continue;
      const { top, bottom } = card.getBoundingClientRect();
      if (bottom > edge) return { card: card as HTMLElement, top };
    }
    return undefined;
  }
}
