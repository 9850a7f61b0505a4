// Times as a reader thinks of them: how long ago. One timer for all; exact on hover.

import { element } from "./dom.ts";

const TICK_MS = 1_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function agoText(millis: number, now: number): string {
  const age = now - millis;
  if (age < 1.5 * SECOND) return age < -MINUTE ? "in the future" : "now";
  if (age < MINUTE) return `${Math.floor(age / SECOND)} s ago`;
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min ago`;
  if (age < DAY) return `${Math.floor(age / HOUR)} h ago`;
  return age < 30 * DAY ? `${Math.floor(age / DAY)} d ago` : new Date(millis).toISOString().slice(0, 10);
}

const exact = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", year: "numeric", month: "short", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "short",
});

/** The largest that `Date` has text for. */
const DATE_MILLIS_MAX = 8.64e15;

export class Clock {
  private readonly shown = new Map<HTMLElement, { element: HTMLTimeElement; millis: number }>();
  private timer: ReturnType<typeof setInterval> | undefined;

  /** A `<time>` that goes on ticking as long as `card` is kept. */
  timeFor(card: HTMLElement, millis: number): HTMLTimeElement {
    const made = element("time", "");
    const isDate = Math.abs(millis) <= DATE_MILLIS_MAX;
    if (isDate) {
      made.dateTime = new Date(millis).toISOString();
      made.title = exact.format(millis);
    }
    made.textContent = isDate ? agoText(millis, Date.now()) : "";
    if (isDate) this.shown.set(card, { element: made, millis });
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
    return made;
  }

  drop(card: HTMLElement): void {
    this.shown.delete(card);
    if (this.shown.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    if (document.hidden) return;
    const now = Date.now();
    for (const { element: time, millis } of this.shown.values()) {
      const text = agoText(millis, now);
      if (time.textContent !== text) time.textContent = text;
    }
  }
}
