// The form that chooses what is shown. Whatever is chosen is the server's to evaluate.

import { byId, say } from "./dom.ts";
import { enableCopy } from "./copy.ts";
import { type Box, refusal } from "./problems.ts";
import { Start } from "./start.ts";
import type { Topic } from "./sources.ts";
import { Topics } from "./topics.ts";
import { eventsAddress, inWords, OPERATIONS, readView, type View } from "./view.ts";

const ERRORS: Record<Box, string> = { topic: "topic-error", text: "text-error", match: "match-error", start: "start-error" };
const BOXES: Record<Box, string> = { topic: "topic-input", text: "text", match: "match", start: "start" };

export class Choose {
  readonly #topics = new Topics(() => void this.#apply());
  readonly #start: Start;
  readonly #text = byId<HTMLInputElement>("text");
  readonly #match = byId<HTMLTextAreaElement>("match");
  readonly #usualSince: string;
  readonly #onChoice: (view: View) => void;
  #view: View = readView("");
  #asking: AbortController | undefined;

  constructor(usualCount: number, onChoice: (view: View) => void) {
    this.#start = new Start(usualCount);
    this.#usualSince = `last:${usualCount}`;
    this.#onChoice = onChoice;
    const form = byId<HTMLFormElement>("choose");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#apply();
    });
    form.addEventListener("change", (event) => {
      if (event.target !== byId("topic-input")) void this.#apply();
    });
    this.#match.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.#match.addEventListener("input", () => this.#fit());
    byId("reset").addEventListener("click", () => this.#choose({ ...readView(""), transport: this.#view.transport }));
    enableCopy(byId("share"), byId("share").querySelector("span") ?? byId("share"), () => location.href);
  }

  /** Shows what was chosen elsewhere: by the address, or by a press in another panel. */
  set view(view: View) {
    this.#view = view;
    this.#topics.chosen = view.topics;
    for (const box of this.#operations()) box.checked = view.operations.includes(box.value);
    this.#text.value = view.text;
    this.#match.value = view.match;
    this.#start.since = view.since;
    this.#fit();
    this.#complain(undefined);
    this.#describe();
  }

  /** Follows this topic only. */
  only(topic: string): void {
    this.#choose({ ...this.#view, topics: [topic] });
  }

  suggest(topics: Topic[]): void {
    this.#topics.suggest(topics);
  }

  /** The server has refused what is followed: says why, at the box that it is about. True if there is one. */
  async explain(): Promise<void> {
    const refused = await refusal(this.#view, this.#view.since || this.#usualSince);
    if (refused) this.#complain(refused.box ?? "match", refused.words);
  }

  #choose(view: View): void {
    this.view = view;
    this.#onChoice(view);
  }

  async #apply(): Promise<void> {
    const chosen: View = {
      ...this.#view,
      topics: this.#topics.chosen,
      operations: this.#operations().filter((box) => box.checked).map((box) => box.value),
      text: this.#text.value.trim(),
      match: this.#match.value.trim(),
      since: this.#start.since,
    };
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const refused = await refusal(chosen, chosen.since || this.#usualSince, asking.signal);
    if (asking.signal.aborted) return;
    this.#complain(refused?.box ?? (refused && "match"), refused?.words);
    if (refused) return;
    this.#view = chosen;
    this.#describe();
    this.#onChoice(chosen);
  }

  #complain(box: Box | undefined, words = ""): void {
    for (const name of Object.keys(ERRORS) as Box[]) {
      say(byId(ERRORS[name]), name === box ? words : "");
      if (name === box) byId(BOXES[name]).setAttribute("aria-invalid", "true");
      else byId(BOXES[name]).removeAttribute("aria-invalid");
    }
  }

  #describe(): void {
    say(byId("choose-summary"), inWords(this.#view));
    const address = eventsAddress(this.#view);
    say(byId("curl-view"), `curl -N ${/[?&]/.test(address) ? `'${address}'` : address}`);
  }

  #operations(): HTMLInputElement[] {
    const boxes = [...byId("operations").querySelectorAll("input")];
    return OPERATIONS.flatMap((operation) => boxes.filter((box) => box.value === operation));
  }

  /** As many rows as there are lines, up to a few. */
  #fit(): void {
    this.#match.rows = Math.min(10, Math.max(1, this.#match.value.split("\n").length));
  }
}
