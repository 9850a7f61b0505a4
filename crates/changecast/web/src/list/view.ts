// What a reader has opened and closed in one card: it outlives the card's elements, which go when it scrolls away.

export class View {
  isFolded = false;
  private readonly open = new Map<string, boolean>();
  private readonly counts = new Map<string, number>();

  isOpen(place: string, byDefault: boolean): boolean {
    return this.open.get(place) ?? byDefault;
  }

  setOpen(place: string, isOpen: boolean): void {
    this.open.set(place, isOpen);
  }

  /** How much of what is at `place` is shown: fields, items or characters. */
  count(place: string, byDefault: number): number {
    return this.counts.get(place) ?? byDefault;
  }

  setCount(place: string, count: number): void {
    this.counts.set(place, count);
  }
}
