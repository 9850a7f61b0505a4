// Which fields documents have, as suggestions for the text box.

import type { Change } from "../client/api/changecast.d.ts";
import { byId, element } from "./dom.ts";

const FIELDS_MAX = 60;
const NAME = /^[\p{L}_$][\p{L}\p{N}_$.-]*$/u;

export class Fields {
  readonly #seen = new Set<string>();

  /** Looks at a document's own fields. */
  note({ fullDocument }: Change): void {
    if (this.#seen.size >= FIELDS_MAX || typeof fullDocument !== "object" || fullDocument === null) return;
    for (const name in fullDocument) if (name !== "_id" && NAME.test(name)) this.#seen.add(name);
  }

  constructor() {
    const text = byId<HTMLInputElement>("text");
    for (const event of ["focus", "input"]) text.addEventListener(event, () => this.#suggest(text.value));
  }

  /** `status:`, and after a word `status:word`: for those who looked for a value and found no key. */
  #suggest(text: string): void {
    const before = text.replace(/\S*$/, "");
    const word = text.slice(before.length).replace(/^[^:]*:/, "");
    byId("text-list").replaceChildren(...[...this.#seen].slice(0, FIELDS_MAX).map((field) => {
      const option = element("option", "");
      option.value = `${before}${field}:${word}`;
      return option;
    }));
  }
}
