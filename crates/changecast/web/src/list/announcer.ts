// What a screen reader is told of a list that moves faster than anybody speaks: from time to time, how many and the last.

import { element } from "./dom.ts";

const PAUSE_MS = 4_000;

export class Announcer {
  readonly element = element("span", "cc-unseen");
  private words: (() => string) | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.element.setAttribute("role", "status");
    this.element.setAttribute("aria-live", "polite");
  }

  /** Soon says what `words` then are; of several, the last. */
  later(words: () => string): void {
    this.words = words;
    this.timer ??= setTimeout(() => this.speak(), PAUSE_MS);
  }

  now(words: string): void {
    this.element.textContent = words;
  }

  private speak(): void {
    this.timer = undefined;
    const words = this.words?.();
    this.words = undefined;
    if (words) this.now(words);
  }
}
