// What the list says of itself, above its cards: that there is more, that it shows only a part, that something was copied.

import { button, element } from "./dom.ts";
import { icon } from "./icons.ts";
import { number } from "./text.ts";

const SAMPLING_STAYS_MS = 3_000;
const NOTE_STAYS_MS = 2_000;

export class Bar {
  readonly element: HTMLElement;
  readonly sampling = element("p", "cc-sampling");
  private readonly newer = button("cc-newer", "Show them");
  private readonly count = element("span", "", "");
  private readonly note = element("span", "cc-note");
  private samplingTimer: ReturnType<typeof setTimeout> | undefined;
  private noteTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(onNewer: () => void) {
    this.newer.append(icon("up"), this.count);
    this.newer.setAttribute("part", "newer");
    this.newer.addEventListener("click", onNewer);
    this.sampling.setAttribute("part", "sampling");
    this.element = element("p", "cc-bar", this.newer, this.note);
    this.newer.hidden = this.note.hidden = this.sampling.hidden = true;
  }

  /** `waiting` changes are not in the list yet. */
  showNewer(waiting: number): void {
    const words = `${number(waiting)} new`;
    if (this.count.textContent !== words) this.count.textContent = words;
    this.newer.hidden = waiting === 0;
  }

  /** Of `share` changes one is shown. */
  showSampling(share: number): void {
    const words = share < 2 ? "more than can be shown: showing most" : `more than can be shown: showing 1 of ${number(Math.round(share))}`;
    if (this.sampling.textContent !== words) this.sampling.textContent = words;
    this.sampling.hidden = false;
    clearTimeout(this.samplingTimer);
    this.samplingTimer = setTimeout(() => (this.sampling.hidden = true), SAMPLING_STAYS_MS);
  }

  /** A word that goes again by itself. */
  say(words: string): void {
    this.note.textContent = words;
    this.note.hidden = false;
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => (this.note.hidden = true), NOTE_STAYS_MS);
  }
}
