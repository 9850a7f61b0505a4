// The documents of a store, over HTTP. A refusal is an error whose message is the server's own words.

import { problemWords } from "./problems.ts";

export interface Page {
  documents: Record<string, unknown>[];
  next: string | null;
}

export class Refused extends Error {
  readonly status: number;

  constructor(status: number, words: string) {
    super(words);
    this.status = status;
  }
}

export const documentPath = (source: string, collection: string, key: string): string =>
  `/documents/${encodeURIComponent(source)}/${encodeURIComponent(collection)}/${encodeURIComponent(key)}`;

export async function listDocuments(source: string, collection: string, after: string | null): Promise<Page> {
  const query = after === null ? "?limit=50" : `?limit=50&after=${encodeURIComponent(after)}`;
  const answer = await send(`/documents/${encodeURIComponent(source)}/${encodeURIComponent(collection)}${query}`);
  return answer.json();
}

/** The document's text as the server sends it: to parse it would round large numbers. */
export async function readDocument(path: string): Promise<string> {
  return (await send(path)).text();
}

export async function writeDocument(method: "PUT" | "PATCH" | "DELETE", path: string, body?: string): Promise<void> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  await send(path, { method, headers: { "content-type": type }, body: body ?? null });
}

async function send(path: string, options?: RequestInit): Promise<Response> {
  const answer = await fetch(path, options).catch(() => {
    throw new Refused(0, `The server cannot be reached. Nothing was ${options ? "written" : "read"}.`);
  });
  if (!answer.ok) throw new Refused(answer.status, await problemWords(answer));
  return answer;
}
