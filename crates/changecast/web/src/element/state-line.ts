// One line above the list: how the connection is, how much there was, and a button to pause.

import type { State } from "../client/api/changecast.d.ts";
import { button, element } from "../list/dom.ts";
import { icon } from "../list/icons.ts";
import { cut, number, visible } from "../list/text.ts";

const TICK_MS = 500;
const ERROR_CHARS_MAX = 300;

export class StateLine {
  readonly element: HTMLElement;
  private readonly dot = element("span", "dot");
  private readonly word = element("span", "word");
  private readonly detail = element("span", "detail");
  private readonly count = element("span", "count");
  private readonly pause = button("pause", "Pause");
  private readonly pauseWord = element("span", "pause-word");
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(onPause: () => void) {
    this.word.setAttribute("role", "status");
    this.dot.setAttribute("aria-hidden", "true");
    for (const [name, part] of Object.entries({ dot: this.dot, word: this.word, pause: this.pause })) part.setAttribute("part", name);
    this.pause.addEventListener("click", onPause);
    this.element = element("div", "state", this.dot, this.word, this.detail, this.count, this.pause);
    this.element.setAttribute("part", "state");
    this.showFlow(0, false, 0);
  }

  showState(state: State): void {
    this.stop();
    this.element.dataset["state"] = state.name;
    switch (state.name) {
      case "connecting": return this.say("Connecting");
      case "live": return this.say("Live");
      case "catching-up": return this.say("Catching up", `${number(state.behind)} behind`);
      case "waiting": return this.countDown(state.retryAt, state.error);
      case "closed": return this.say(state.error === undefined ? "Closed" : "Ended", state.error);
    }
  }

  /** How many changes there were, whether the list is paused, and how many wait. */
  showFlow(received: number, isPaused: boolean, waiting: number): void {
    this.count.textContent = received > 0 ? `${number(received)} received` : "";
    this.pauseWord.textContent = isPaused ? (waiting > 0 ? `Resume +${number(waiting)}` : "Resume") : "Pause";
    if (this.pause.dataset["paused"] === String(isPaused)) return;
    this.pause.dataset["paused"] = String(isPaused);
    this.pause.title = isPaused ? "Show what has come meanwhile" : "Keep the list as it is";
    this.pause.replaceChildren(icon(isPaused ? "play" : "pause"), this.pauseWord);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private countDown(retryAt: number, error: string | undefined): void {
    const tick = (): void => {
      const seconds = Math.ceil((retryAt - Date.now()) / 1000);
      const wait = Number.isFinite(seconds) && seconds > 0 ? `in ${seconds} s` : "";
      this.say("Reconnecting", [wait, error].filter(Boolean).join(" · "));
    };
    this.timer = setInterval(tick, TICK_MS);
    tick();
  }

  private say(word: string, detail = ""): void {
    // The same word again would have a screen reader say it again.
    if (this.word.textContent !== word) this.word.textContent = word;
    this.detail.textContent = visible(cut(detail, ERROR_CHARS_MAX));
    this.detail.title = this.detail.textContent;
  }
}
