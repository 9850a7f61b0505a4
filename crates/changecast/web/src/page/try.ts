// Try it: three buttons that write to the built-in document store, so that a newcomer sees something happen.

import type { Change } from "../client/api/changecast.d.ts";
import { documentPath, Refused, writeDocument } from "./documents.ts";
import { byId, say } from "./dom.ts";
import type { Sources } from "./sources.ts";

export const STORE_COLLECTION = "test";
const STATUSES = ["new", "paid", "packed", "shipped", "delivered"];
const CUSTOMERS = ["Ada", "Grace", "Linus", "Margaret", "Edsger", "Barbara", "Ken", "Radia"];
const ITEMS: [string, number][] = [
  ["Coffee beans, 1 kg", 18.5],
  ["Notebook, dotted", 6.9],
  ["Desk lamp", 42],
  ["Mechanical keyboard", 119],
  ["Green tea", 7.25],
];
const KNOWN_MAX = 100;

export class TryIt {
  readonly #sources: Sources;
  /** The documents that Update and Delete may act on, by key, the latest last. */
  readonly #known = new Map<string, unknown>();

  constructor(sources: Sources) {
    this.#sources = sources;
    byId("try-insert").addEventListener("click", () => this.insert());
    byId("try-update").addEventListener("click", () => this.update());
    byId("try-delete").addEventListener("click", () => this.delete());
  }

  draw(): void {
    const store = this.#sources.writableStore;
    byId("try").hidden = byId("terminal-write").hidden = store === undefined;
    if (store) {
      const address = location.origin + documentPath(store.name, STORE_COLLECTION, "hello");
      say(byId("curl-put"), `curl -X PUT ${address} -H content-type:application/json -d '{"hello": "world"}'`);
    }
  }

  /** Takes note of what anybody did to the store's documents. */
  note(change: Change): void {
    // The first changes may come before /sources answers: any source of that collection counts until it does.
    const store = this.#sources.writableStore;
    if (change.ns?.coll !== STORE_COLLECTION || (store && change.ns.db !== store.name)) return;
    const key = change.documentKey?.["_id"];
    if (typeof key !== "string") return;
    this.#known.delete(key);
    if (change.operationType !== "delete") this.#remember(key, change.fullDocument);
    this.#enable();
  }

  insert(): void {
    const [item, price] = anyOf(ITEMS);
    const order = { customer: anyOf(CUSTOMERS), item, quantity: 1 + Math.floor(Math.random() * 5), price, status: STATUSES[0] };
    const random = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    void this.#write("PUT", `order-${random.toString(36)}`, order);
  }

  update(): void {
    const [key, document] = [...this.#known].at(-1) ?? [];
    if (key === undefined) return;
    const step = STATUSES.indexOf((document as { status?: string } | undefined)?.status ?? "");
    void this.#write("PATCH", key, { status: STATUSES[(step + 1) % STATUSES.length] });
  }

  delete(): void {
    const key = [...this.#known.keys()].at(-1);
    if (key !== undefined) void this.#write("DELETE", key);
  }

  async #write(method: "PUT" | "PATCH" | "DELETE", key: string, body?: object): Promise<void> {
    const store = this.#sources.writableStore;
    if (!store) return;
    try {
      await writeDocument(method, documentPath(store.name, STORE_COLLECTION, key), body && JSON.stringify(body));
      if (method === "PUT") this.#remember(key, body);
      say(byId("try-note"), "");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 404) this.#known.delete(key);
      say(byId("try-note"), error.message);
    }
    this.#enable();
  }

  #remember(key: string, document: unknown): void {
    this.#known.set(key, document);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }

  #enable(): void {
    for (const id of ["try-update", "try-delete"]) byId<HTMLButtonElement>(id).disabled = this.#known.size === 0;
  }
}

const anyOf = <T>(choices: readonly T[]): T => choices[Math.floor(Math.random() * choices.length)] as T;
