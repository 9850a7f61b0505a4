// Pause, resume, clear, stick to the top; and what the list says of itself.

import type { ChangeList } from "../list/change-list.ts";
import { byId, count, say } from "./dom.ts";

export class Flow {
  readonly #list: ChangeList;
  readonly #onPause: (isPaused: boolean) => void;
  /** The reader has chosen that new changes wait. */
  #isLoose = false;

  constructor(list: ChangeList, onPause: (isPaused: boolean) => void) {
    this.#list = list;
    this.#onPause = onPause;
    list.onCount = () => this.draw();
    byId("pause").addEventListener("click", () => this.togglePause());
    byId("clear").addEventListener("click", () => this.clear());
    byId("stick").addEventListener("click", () => this.toggleStick());
    // By a press beside it the list takes its reader to be done: not who has chosen otherwise.
    document.addEventListener("pointerdown", () => {
      if (this.#isLoose) list.stickToTop = false;
    });
    this.draw();
  }

  togglePause(): void {
    if (this.#list.isPaused) this.#list.resume();
    else this.#list.pause();
    this.#onPause(this.#list.isPaused);
    this.draw();
  }

  toggleStick(): void {
    // Whoever scrolls or reads lets go without a choice.
    this.#isLoose = !this.#isLoose && this.#list.stickToTop;
    this.#list.stickToTop = !this.#isLoose;
    this.draw();
  }

  clear(): void {
    this.#list.clear();
    this.draw();
  }

  draw(): void {
    const list = this.#list;
    if (list.stickToTop) this.#isLoose = false;
    byId("welcome").hidden = list.received > 0 || list.shown > 0;
    const sampled = list.sampledOut > 0 ? ` · ${count(list.sampledOut)} passed too fast to show` : "";
    const shown = `${count(list.shown)} shown, newest first${sampled} · ${count(list.received)} received`;
    say(byId("received"), list.received > 0 ? shown : "");
    byId("pause").setAttribute("aria-pressed", String(list.isPaused));
    byId("pause-icon").setAttribute("href", list.isPaused ? "#icon-resume" : "#icon-pause");
    say(byId("pause-word"), list.isPaused ? "Resume" : "Pause");
    say(byId("waiting"), list.isPaused ? `+${count(list.waiting)}` : "");
    byId("waiting").hidden = !list.isPaused || list.waiting === 0;
    byId("stick").setAttribute("aria-pressed", String(list.stickToTop));
  }
}
