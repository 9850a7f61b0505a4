// The topics to follow, as chips beside a box with suggestions.

import { button, byId, element } from "./dom.ts";
import type { Topic } from "./sources.ts";

export class Topics {
  readonly #input = byId<HTMLInputElement>("topic-input");
  readonly #onChange: () => void;
  #chosen: string[] = [];

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    // Choosing a suggestion is a change without a key; leaving the box is one, too.
    this.#input.addEventListener("change", () => this.add(this.#input.value));
  }

  get chosen(): string[] {
    return [...this.#chosen];
  }

  set chosen(topics: string[]) {
    this.#chosen = [...topics];
    this.#draw();
  }

  add(text: string): void {
    this.#input.value = "";
    const topics = text.split(/[\s,]+/).filter((topic) => topic && !this.#chosen.includes(topic));
    if (topics.length === 0) return;
    this.#chosen.push(...topics);
    this.#draw();
    this.#onChange();
  }

  /** Suggests what there is, and the patterns over it. */
  suggest(topics: Topic[]): void {
    const names = topics.map(({ topic }) => topic);
    const patterns = [...new Set(topics.map(({ source }) => `${source}.*`))];
    byId("topic-list").replaceChildren(...[...names, ...patterns].map((name) => {
      const option = element("option", "");
      option.value = name;
      return option;
    }));
  }

  #remove(topic: string): void {
    this.#chosen = this.#chosen.filter((chosen) => chosen !== topic);
    this.#draw();
    this.#onChange();
    this.#input.focus();
  }

  #onKey(event: KeyboardEvent): void {
    const last = this.#chosen.at(-1);
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      this.add(this.#input.value);
    } else if (event.key === "Backspace" && this.#input.value === "" && last !== undefined) {
      this.#remove(last);
    }
  }

  #draw(): void {
    byId("topic-chips").replaceChildren(...this.#chosen.map((topic) => {
      const remove = button("chip-remove", "×", () => this.#remove(topic));
      remove.setAttribute("aria-label", `Do not follow ${topic}`);
      return element("li", "chip chosen", topic, remove);
    }));
  }
}
