// Where to start: a choice, and the number, time or id that belongs to it.

import { byId } from "./dom.ts";

type Kind = "last" | "now" | "earliest" | "time" | "id";

const EVENT_ID = /^[a-z2-7]{8}-\d+$/;

export class Start {
  readonly #kind = byId<HTMLSelectElement>("start");
  readonly #last = byId<HTMLInputElement>("start-last");
  readonly #time = byId<HTMLInputElement>("start-time");
  readonly #id = byId<HTMLInputElement>("start-id");
  /** How many changes the page begins with, unless told otherwise. */
  readonly #usual: number;

  constructor(usual: number) {
    this.#usual = usual;
    this.#last.value = String(usual);
    this.#kind.addEventListener("change", (event) => {
      this.#showBox();
      // The box has to be filled first.
      const box = this.#box();
      if (!box || box.value !== "") return;
      event.stopPropagation();
      box.focus();
    });
  }

  /** As the server takes it; empty for the usual. */
  get since(): string {
    switch (this.#kind.value as Kind) {
      case "last": {
        const count = Number(this.#last.value) || this.#usual;
        return count === this.#usual ? "" : `last:${count}`;
      }
      case "time":
        return this.#time.value ? new Date(this.#time.value).toISOString() : "";
      case "id":
        return this.#id.value.trim();
      default:
        return this.#kind.value;
    }
  }

  set since(since: string) {
    const kind = kindOf(since);
    this.#kind.value = kind;
    this.#last.value = since.startsWith("last:") ? since.slice("last:".length) : String(this.#usual);
    this.#time.value = kind === "time" ? localTime(since) : "";
    this.#id.value = kind === "id" ? since : "";
    this.#showBox();
  }

  #box(): HTMLInputElement | undefined {
    return { last: this.#last, time: this.#time, id: this.#id }[this.#kind.value];
  }

  #showBox(): void {
    for (const box of [this.#last, this.#time, this.#id]) box.hidden = box !== this.#box();
  }
}

function kindOf(since: string): Kind {
  if (since === "" || since.startsWith("last:")) return "last";
  if (since === "now" || since === "earliest") return since;
  return EVENT_ID.test(since) || Number.isNaN(Date.parse(since)) ? "id" : "time";
}

/** As a box for local times takes it. */
function localTime(time: string): string {
  const date = new Date(time);
  const local = new Date(date.valueOf() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
