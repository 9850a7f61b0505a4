// The documents of the built-in store: list, open, edit, save, delete.

import type { Message } from "../client/api/changecast.d.ts";
import { documentPath, listDocuments, readDocument, Refused, writeDocument } from "./documents.ts";
import { byId, element, say } from "./dom.ts";
import { difference } from "./merge-patch.ts";
import type { Sources } from "./sources.ts";

const PREVIEW_CHARS = 60;

export class Editor {
  readonly #sources: Sources;
  readonly #dialog = byId<HTMLDialogElement>("editor");
  readonly #collection = byId<HTMLInputElement>("editor-collection");
  readonly #key = byId<HTMLInputElement>("editor-key");
  readonly #text = byId<HTMLTextAreaElement>("editor-text");
  /** As it was opened, for a patch to be the difference; none while it is a new one. */
  #opened: string | undefined;
  #next: string | null = null;
  /** Our own writes come back as changes, and are no news. */
  #isWriting = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    byId("editor-open").addEventListener("click", () => this.show());
    byId("editor-new").addEventListener("click", () => this.#begin());
    byId("editor-more").addEventListener("click", () => void this.#list(this.#next));
    byId("editor-patch").addEventListener("click", () => void this.#patch());
    byId("editor-delete").addEventListener("click", () => void this.#delete());
    byId("editor-reload").addEventListener("click", () => void this.#open(this.#key.value));
    this.#collection.addEventListener("change", () => this.#start());
    byId("editor-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#save();
    });
  }

  show(): void {
    if (this.#dialog.open || !this.#sources.writableStore) return;
    this.#dialog.showModal();
    this.#start();
  }

  /** Somebody wrote: what is open may be another by now, and the list longer. */
  note({ change }: Message): void {
    const isOurs = change.ns?.db === this.#sources.writableStore?.name && change.ns?.coll === this.#collection.value;
    if (!this.#dialog.open || !isOurs || this.#isWriting) return;
    const isOpen = this.#opened !== undefined && change.documentKey?.["_id"] === this.#key.value;
    if (isOpen) void this.#compare();
  }

  /** The change may be our own, which has come late: only the document can tell. */
  async #compare(): Promise<void> {
    const [key, opened] = [this.#key.value, this.#opened];
    const text = await readDocument(this.#path(key)).catch(() => undefined);
    if (this.#key.value === key && this.#opened === opened) byId("editor-news").hidden = text === opened;
  }

  #start(): void {
    const source = this.#sources.writableStore;
    say(byId("editor-source"), source?.name ?? "");
    const collections = this.#sources.topics.filter((topic) => topic.source === source?.name);
    byId("editor-collections").replaceChildren(...collections.map(({ topic }) => {
      const option = element("option", "");
      option.value = topic.slice((source?.name.length ?? 0) + 1);
      return option;
    }));
    this.#begin();
    void this.#list(null);
  }

  #begin(): void {
    this.#opened = undefined;
    this.#key.value = "";
    this.#key.readOnly = false;
    this.#text.value = "{\n  \n}";
    byId("editor-news").hidden = true;
    this.#enable();
    this.#tell("");
    this.#mark();
    this.#key.focus();
  }

  async #list(after: string | null): Promise<void> {
    await this.#attempt(async () => {
      const page = await listDocuments(this.#source, this.#collection.value, after);
      const items = page.documents.map((document) => this.#item(document));
      const list = byId("editor-keys");
      if (after === null) list.replaceChildren(...items);
      else list.append(...items);
      if (list.childElementCount === 0) list.append(element("li", "quiet", "No documents yet."));
      this.#next = page.next;
      byId("editor-more").hidden = page.next === null;
      this.#mark();
    });
  }

  #item({ _id, ...rest }: Record<string, unknown>): HTMLElement {
    const key = String(_id);
    const text = JSON.stringify(rest);
    const preview = text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS)}…` : text;
    const open = element("button", "entry", element("span", "mono", key), element("span", "quiet", preview));
    open.type = "button";
    open.dataset["key"] = key;
    open.addEventListener("click", () => void this.#open(key).then(() => this.#text.focus()));
    return element("li", "", open);
  }

  async #open(key: string): Promise<void> {
    await this.#attempt(async () => {
      const text = await readDocument(this.#path(key));
      this.#opened = text;
      this.#key.value = key;
      this.#key.readOnly = true;
      this.#text.value = shown(text);
      byId("editor-news").hidden = true;
      this.#enable();
      this.#tell("");
      this.#mark();
    });
  }

  async #save(): Promise<void> {
    const key = this.#key.value;
    const isNew = this.#opened === undefined;
    await this.#write("PUT", key, this.#text.value, isNew ? "Inserted." : "Saved.");
  }

  async #patch(): Promise<void> {
    const patch = difference(shown(this.#opened ?? "{}"), this.#text.value);
    if (typeof patch !== "string") return this.#tell(patch.problem, true);
    if (patch === "{}") return this.#tell("Nothing was edited.");
    await this.#write("PATCH", this.#key.value, patch, `Patched with ${patch}`);
  }

  async #delete(): Promise<void> {
    await this.#write("DELETE", this.#key.value, undefined, "Deleted.");
  }

  async #write(method: "PUT" | "PATCH" | "DELETE", key: string, body: string | undefined, done: string): Promise<void> {
    await this.#attempt(async () => {
      this.#isWriting = true;
      try {
        await writeDocument(method, this.#path(key), body);
      } finally {
        this.#isWriting = false;
      }
      if (method === "DELETE") this.#begin();
      else await this.#open(key);
      await this.#list(null);
      this.#tell(done);
    });
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#tell(error.message, true);
    }
  }

  #tell(words: string, isError = false): void {
    const note = byId("editor-note");
    note.className = isError ? "error" : "quiet";
    say(note, words);
  }

  #enable(): void {
    for (const id of ["editor-patch", "editor-delete"]) byId<HTMLButtonElement>(id).disabled = this.#opened === undefined;
  }

  #mark(): void {
    for (const entry of byId("editor-keys").querySelectorAll<HTMLElement>(".entry")) {
      if (this.#opened !== undefined && entry.dataset["key"] === this.#key.value) entry.setAttribute("aria-current", "true");
      else entry.removeAttribute("aria-current");
    }
  }

  get #source(): string {
    return this.#sources.writableStore?.name ?? "";
  }

  #path(key: string): string {
    return documentPath(this.#source, this.#collection.value, key);
  }
}

/** The key has its own box. What a number of JavaScript would round comes as `$numberLong` and the like. */
function shown(text: string): string {
  const { _id, ...rest } = JSON.parse(text);
  return JSON.stringify(rest, null, 2);
}
