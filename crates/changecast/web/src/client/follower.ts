// What an application holds: it puts the lines of whatever feeds it into words, keeps the place, and hands on.

import type { Change, FollowOptions, Gap, Message, SourceNews, State } from "./api/changecast.d.ts";
import type { Feed, Feeding } from "./feed.ts";
import { baseOf, check } from "./given.ts";
import { covers, distance } from "./ids.ts";
import { canShare, connect, share } from "./tabs.ts";

/** What a slow loop may leave waiting: then the connection is given up until it has taken everything. */
const WAITING_COUNT_MAX = 1_000;
const WAITING_CHARS_MAX = 8_000_000;
/** How often it is told how far behind we are, at most. */
const BEHIND_EVERY_MS = 250;
/** The log's newest entries may be none of ours: silence for so long means that there is nothing more. */
const QUIET_MS = 1_000;
/** The version of what tabs say to each other. */
const TABS = "changecast 1 ";

type Handler<T> = ((value: T) => void) | null;

/** What has to be loaded before anything is followed: hands it over, and returns where it was read. */
export type Load = (signal: AbortSignal) => Promise<{ position: string; deliver(): void }>;

export class Follower<C = Change> implements AsyncIterable<Message<C>> {
  onGap: Handler<Gap> = null;
  onState: Handler<State> = null;
  onSource: Handler<SourceNews> = null;

  #onMessage: Handler<Message<C>> = null;
  #state: State = { name: "connecting" };
  #position: string | undefined;
  readonly #server: string | URL;
  readonly #options: FollowOptions;
  readonly #feed: Feed;
  #feeding: Feeding | undefined;
  /** Loads what has to be there first, while it is not. */
  readonly #load: Load | undefined;
  #isStale = true;
  /** What no loop has taken yet, and how much that is. */
  #waiting: Message<C>[] = [];
  #waitingChars = 0;
  #isLooped = false;
  #wake: (() => void) | undefined;
  /** While catching up: the log's newest id when we connected, when it was told last, and what notices silence. */
  #tail: string | undefined;
  #toldAt = 0;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(server: string | URL, options: FollowOptions = {}, load?: Load) {
    check(options, "topics", "since");
    this.#server = server;
    this.#options = options;
    this.#load = load;
    const that = this;
    this.#feed = {
      get position() {
        return that.#position;
      },
      get state() {
        return that.#state;
      },
      get hasPast() {
        return !!(that.#position || load || (options.since && options.since !== "now"));
      },
      url: () => this.#url(),
      prepare: (signal) => this.#prepare(signal),
      take: (line) => this.#take(line),
      tell: (state) => this.#tell(state),
    };
    // A wrong address throws here.
    this.#url();
    if (options.signal?.aborted) {
      this.#state = { name: "closed" };
      return;
    }
    options.signal?.addEventListener("abort", this.close);
    for (const [name, handler] of this.#pageEvents) globalThis.addEventListener?.(name, handler);
    this.#start();
  }

  get onMessage(): Handler<Message<C>> {
    return this.#onMessage;
  }

  set onMessage(handler: Handler<Message<C>>) {
    this.#onMessage = handler;
    // What came before belongs to it, unless a loop takes it.
    while (handler && !this.#isLooped && this.#waiting.length) call(handler, this.#shift());
  }

  get state(): State {
    return this.#state;
  }

  get position(): string | undefined {
    return this.#position;
  }

  get isShared(): boolean {
    return !!this.#feeding?.isShared;
  }

  drop(): void {
    this.#feeding?.drop();
  }

  readonly reconnect = (): void => this.#feeding?.retry();

  readonly close = (): void => {
    this.#waiting = [];
    this.#tell({ name: "closed" });
  };

  async *[Symbol.asyncIterator](): AsyncGenerator<Message<C>, void, undefined> {
    this.#isLooped = true;
    try {
      for (;;) {
        while (this.#waiting.length) yield this.#shift();
        const state = this.#state;
        if (state.name === "closed") {
          if (state.error) throw new Error(state.error);
          return;
        }
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
  }

  /* ---------- Being fed ---------- */

  #start(): void {
    if (this.#feeding || this.#state.name === "closed") return;
    if (this.#options.shared !== false && canShare()) {
      this.#feeding = share(this.#feed, TABS + this.#url(true));
    } else {
      this.#feeding = Object.assign(connect(this.#feed), { isShared: false, isReading: false, announce() {} });
    }
  }

  #stop = (): void => {
    const feeding = this.#feeding;
    this.#feeding = undefined;
    feeding?.stop();
  };

  /** A page that is put away must hold nothing; one that is taken out again goes on. */
  readonly #pageEvents = [
    ["online", this.reconnect],
    ["visibilitychange", this.reconnect],
    ["pagehide", this.#stop],
    ["pageshow", () => this.#start()],
  ] as const;

  /** The address to ask, from where we are; or whatever the place, to tell by who follows the same. */
  #url(isAnyPlace = false): URL {
    const { topics, match, since, mode, format, transport } = this.#options;
    const isSocket = transport === "websocket";
    const url = new URL(isSocket ? "ws" : "events", baseOf(this.#server));
    if (isSocket) url.protocol = url.protocol.replace("http", "ws");
    const query = url.searchParams;
    for (const topic of [topics ?? []].flat().sort()) query.append("topic", topic);
    const given = {
      match: typeof match === "object" ? JSON.stringify(match) : match,
      mode,
      format,
      since: isAnyPlace ? undefined : (this.#position ?? since),
      envelope: isSocket ? undefined : "true",
    };
    for (const [name, value] of Object.entries(given)) if (value) query.set(name, value);
    return url;
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    if (!this.#load || !this.#isStale) return;
    const { position, deliver } = await this.#load(signal);
    signal.throwIfAborted();
    this.#isStale = false;
    this.#position = position;
    call(deliver, undefined);
  }

  /* ---------- Handing on ---------- */

  #take(line: string): void {
    const item = JSON.parse(line);
    const { type, id } = item;
    if (type === "source") {
      delete item.type;
      return call(this.onSource, item);
    }
    if (type === "hello") {
      this.#position = id;
      this.#tail = item.tail;
      for (const source of item.waiting) call(this.onSource, { source, state: "connecting" });
    } else if (covers(this.#position, id)) {
      return;
    } else {
      this.#position = id;
      if (!type) {
        // What is around the change: {"id":…,"topic":…,"change":…}
        item.size = line.length - JSON.stringify([id, item.topic]).length - 23;
        this.#deliver(item);
      } else if (type === "gap") {
        delete item.type;
        call(this.onGap, item);
        if (this.#load && item.action === "refetch") {
          this.#isStale = true;
          this.#stop();
          return this.#start();
        }
      }
    }
    this.#progress();
  }

  #deliver(message: Message<C>): void {
    call(this.#onMessage, message);
    if (this.#onMessage && !this.#isLooped) return;
    this.#waiting.push(message);
    this.#waitingChars += message.size;
    this.#wake?.();
    if (this.#waiting.length >= WAITING_COUNT_MAX || this.#waitingChars > WAITING_CHARS_MAX) {
      this.#stop();
      this.#tell({ name: "waiting", retryAt: Infinity, error: "what has come waits to be taken" });
    }
  }

  /** The next message of those that wait. After the last one, goes on where we stopped for want of room. */
  #shift(): Message<C> {
    const message = this.#waiting.shift()!;
    this.#waitingChars -= message.size;
    if (!this.#waiting.length) this.#start();
    return message;
  }

  /** Tells how far behind we are, until we are not. */
  #progress(): void {
    if (!this.#tail || !this.#feeding) return;
    clearTimeout(this.#quiet);
    // A place in another log: everything of this one is ahead.
    const behind = distance(this.#position, this.#tail);
    const { isReading } = this.#feeding;
    if (behind <= 0) return isReading ? undefined : this.#tell({ name: "live" });
    if (!isReading) this.#quiet = setTimeout(() => this.#tell({ name: "live" }), QUIET_MS);
    if (Date.now() - this.#toldAt < BEHIND_EVERY_MS && this.#state.name === "catching-up") return;
    const state: State = { name: "catching-up", behind: behind || Number(this.#tail.split("-")[1]) };
    this.#tell(state);
  }

  #tell(state: State): void {
    if (this.#state.name === "closed") return;
    if (state.name === "catching-up") {
      this.#toldAt = Date.now();
    } else {
      clearTimeout(this.#quiet);
      this.#tail = undefined;
    }
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    this.#state = state;
    if (state.name === "closed") {
      this.#stop();
      this.#options.signal?.removeEventListener("abort", this.close);
      for (const [name, handler] of this.#pageEvents) globalThis.removeEventListener?.(name, handler);
      this.#wake?.();
    }
    this.#feeding?.announce();
    call(this.onState, state);
  }
}

/** Hands it on. What goes wrong there is told as any uncaught error is, and disturbs nothing here. */
function call<T>(handler: Handler<T>, value: T): void {
  try {
    handler?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
