// State, then stream: all documents of a collection, and where to follow from.

import type { Documents, FollowOptions } from "./api/changecast.d.ts";
import { Follower } from "./follower.ts";
import { baseOf, check } from "./given.ts";
import { ask } from "./wire.ts";

/** The most that the server puts on a page. */
const PAGE_COUNT = 1_000;

export function followDocuments(
  server: string | URL,
  source: string,
  collection: string,
  onDocuments: (state: Documents) => void,
  options: Omit<FollowOptions, "topics" | "since"> = {},
): Follower {
  check(options);
  const address = new URL(`documents/${encodeURIComponent(source)}/${encodeURIComponent(collection)}`, baseOf(server));

  return new Follower(server, { ...options, topics: [`${source}.${collection}`] }, async (signal) => {
    const documents: Documents["documents"] = [];
    let position: string | undefined;
    const query = new URLSearchParams({ limit: `${PAGE_COUNT}` });
    for (let next: string | null = ""; next !== null; query.set("after", next!)) {
      address.search = `${query}`;
      const page = await (await ask(address, signal)).json();
      // The place of the first page is from before all of them.
      position ??= page.position as string;
      documents.push(...page.documents);
      next = page.next;
    }
    const state = { documents, position: position! };
    return { position: state.position, deliver: () => onDocuments(state) };
  });
}
