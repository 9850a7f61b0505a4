/**
 * changecast.js: follows a changecast server, and goes on where it was after anything that breaks.
 *
 *     import { follow } from "https://changes.example.org/changecast.js";
 *
 *     for await (const { change } of follow("https://changes.example.org", { topics: ["shop.orders"] })) {
 *       console.log(change.operationType, change.fullDocument);
 *     }
 */

/** A change event: MongoDB's, whatever the database, in relaxed Extended JSON. */
export interface Change {
  _id?: { _data?: string };
  operationType: string;
  ns?: { db?: string; coll?: string };
  documentKey?: Record<string, unknown>;
  fullDocument?: unknown;
  fullDocumentBeforeChange?: unknown;
  updateDescription?: {
    updatedFields?: Record<string, unknown>;
    removedFields?: string[];
    truncatedArrays?: { field: string; newSize: number }[];
  };
  wallTime?: unknown;
  clusterTime?: unknown;
  [field: string]: unknown;
}

/** One change, and what came with it. */
export interface Message<C = Change> {
  /** The event id: a follower that starts `since` it sees what comes after. */
  id: string;
  /** `<source>.<collection>`. */
  topic: string;
  /** The change, in the format that was asked for. */
  change: C;
  /** How long the change is on the wire, in characters. */
  size: number;
}

/** Something is missing here, and why. */
export interface Gap {
  /** What is covered up to here. */
  id: string;
  scope: "log" | "source";
  source?: string;
  from?: string;
  to?: string;
  reason: string;
  /** With `refetch`, state that was loaded earlier may be out of date: load it anew. */
  action: "continue" | "refetch";
}

/** A source went live, or failed. */
export interface SourceNews {
  source: string;
  state: "connecting" | "live" | "failed";
  error?: string | null;
  remedy?: string | null;
}

/** How the connection is. */
export type State =
  | { name: "connecting" }
  /**
   * Connected, and `behind` entries of the log away from where the log was when it connected. They are those of all topics:
   * where no more of them concern this one, it is live after a second without a message.
   */
  | { name: "catching-up"; behind: number }
  | { name: "live" }
  /**
   * Disconnected; tries again at `retryAt` (milliseconds, as `Date.now()`). `Infinity` means: once what has come is taken,
   * since a loop is slow, or nobody takes it at all.
   */
  | { name: "waiting"; retryAt: number; error?: string }
  /** Ended: by `close()`, by the signal, or since the server will never take this request (`error`). */
  | { name: "closed"; error?: string };

export interface FollowOptions {
  /** What to follow: a topic or a pattern such as `shop.*`, or several; none means all. */
  topics?: string | string[];
  /** Only changes like this: a MongoDB `$match`, as an object or as text. */
  match?: object | string;
  /** Where to start: `now` (the default), `earliest`, `last:N`, a time, or an event id: after it. */
  since?: string;
  mode?: "queue" | "latest";
  format?: "change" | "data" | "cloudevents" | "debezium";
  /** `sse` unless said otherwise. */
  transport?: "sse" | "websocket";
  /** One connection for all tabs of this origin that follow the same. On unless said otherwise. */
  shared?: boolean;
  /** Ends it. */
  signal?: AbortSignal;
}

/** A connection that lives until it is closed. */
export declare class Follower<C = Change> implements AsyncIterable<Message<C>> {
  /** As `follow`. Throws a `TypeError` if the address, an option or the transport is none. */
  constructor(server: string | URL, options?: FollowOptions);

  /** Called for each change, in order. What came before it was set, it gets at once. */
  onMessage: ((message: Message<C>) => void) | null;
  /** Called where something is missing. */
  onGap: ((gap: Gap) => void) | null;
  /** Called when the connection's state changes. */
  onState: ((state: State) => void) | null;
  /** Called when a source goes live or fails. */
  onSource: ((news: SourceNews) => void) | null;

  readonly state: State;
  /** The id up to which everything has been delivered: also moves while nothing matches. */
  readonly position: string | undefined;
  /** Whether another tab holds the connection. */
  readonly isShared: boolean;

  /** Drops the connection as a network fault would: it comes back by itself. */
  drop(): void;
  /** Tries again now instead of after the wait. */
  reconnect(): void;
  /** Ends it for good: loops over it end, and what they have not taken is dropped. */
  close(): void;
  /**
   * Each change, in order; two loops share them. Throws nothing on a disconnect, and the server's words where it will never
   * take the request; a gap goes to `onGap`. At most 1,000 changes or 8 million characters wait for a slow loop: then the
   * connection is given up, and goes on where it was once all of them are taken, so nothing is lost. Leaving the loop closes.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Message<C>, void, undefined>;
}

/** Follows the server at `server` (its origin, such as `https://changes.example.org`). */
export declare function follow<C = Change>(server: string | URL, options?: FollowOptions): Follower<C>;

export interface Documents {
  documents: Record<string, unknown>[];
  /** From before the documents were read: following `since` it, nothing is missing in between. */
  position: string;
}

/**
 * State, then stream: hands all documents of a collection to `onDocuments`, then follows it from the place
 * where they were read; and again from the start after a gap that asks for it.
 */
export declare function followDocuments(
  server: string | URL,
  source: string,
  collection: string,
  onDocuments: (state: Documents) => void,
  options?: Omit<FollowOptions, "topics" | "since">,
): Follower;
