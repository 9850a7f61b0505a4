// One connection for all tabs that follow the same.
//
// A lock of the origin elects the tab that holds the connection: it hands each line to the others, with the id that was
// covered before it. So each of the others knows whether something is missing between what it has and what it hears; if so,
// it reads what is there already from the server, in an answer that ends. So does every tab before it asks for the lock:
// nobody waits for one that has a long past to catch up with. The lock goes to another tab when its holder closes or dies,
// and is taken from one that has fallen silent. Who takes over goes on from its own place.
// So it never matters who is the leader, whether there are two for a moment, or in which order their words arrive.

import type { Feed, Feeding } from "./feed.ts";
import { covers } from "./ids.ts";
import { type Effort, persist } from "./persist.ts";
import { past, readLines, stream } from "./wire.ts";
import type { State } from "./api/changecast.d.ts";

/** How often a leader says that it is there, and the others look whether it does. */
const LOOK_EVERY_MS = 3_000;
/** A leader that is silent for so long is none. Browsers slow down the clocks of hidden tabs; bookmarks come whatever they do. */
const SILENCE_MAX_MS = 40_000;
/** The same for one that has never been heard. */
const NO_ANSWER_MAX_MS = 5_000;
/** How long a leader may take to answer. Less than the time between two looks. */
const ANSWER_MAX_MS = 2_000;
/** A leader that has not tried again so long after it said that it would is told to. */
const RETRY_LATE_MS = 1_000;
/** What is kept while the past is read; what does not fit is read, too. */
const HELD_MAX = 1_000;

/** What tabs say to each other. */
type Word = Line | Sign | "who" | "drop" | "retry";
/** The leader hands on a line of the server's, and what was covered before it. */
type Line = { line: string; from: string | undefined };
/** The leader tells how the connection is, and what is covered: its answer to `who`, and its sign of life. */
type Sign = { state: State; at: string | undefined };

/** Whether tabs can find each other here. Frames without an origin and insecure pages cannot; other programs have no tabs. */
export const canShare = (): boolean =>
  !!globalThis.origin && globalThis.origin !== "null" && !!globalThis.BroadcastChannel && !!globalThis.navigator?.locks;

/** A connection of one's own. */
export function connect(feed: Feed, take = feed.take): Effort {
  return persist(async (signal) => {
    await feed.prepare(signal);
    await stream(feed.url(), take, signal);
  }, feed.tell);
}

/** A part in the connection of this name. */
export function share(feed: Feed, name: string): Feeding {
  const channel = new BroadcastChannel(name);
  let isStopped = false;
  /** The connection, while this tab leads, and what gives up the lock. */
  let lead: Effort | undefined;
  let unlock: (() => void) | undefined;
  /** Takes this tab out of the queue for the lock. */
  let turn: AbortController | undefined;
  /** Reads what is there already, and what is heard meanwhile. */
  let reading: Effort | undefined;
  let held: (Line | Sign)[] = [];
  let heardAt = Date.now();
  let silenceMax = NO_ANSWER_MAX_MS;

  const say = (word: Word) => {
    if (!isStopped) channel.postMessage(word);
  };
  const sayState = () => say({ state: feed.state, at: feed.position });

  /* ---------- Leading ---------- */

  const queue = (steal = false) => {
    turn?.abort();
    turn = new AbortController();
    let isGranted = false;
    const granted = () => {
      isGranted = true;
      return beginLead();
    };
    navigator.locks.request(name, steal ? { steal } : { signal: turn.signal }, granted).catch((error) => {
      if (isStopped) return;
      // No locks here after all: then everybody leads, and nobody misses anything.
      if (error.name !== "AbortError") beginLead();
      // Another tab took us for dead. It goes on from where it was, and so do we.
      else if (isGranted) {
        endLead();
        heardAt = Date.now();
        queue();
        say("who");
      }
    });
  };

  const beginLead = () =>
    new Promise<void>((resolve) => {
      if (isStopped) return resolve();
      unlock = resolve;
      reading?.stop();
      reading = undefined;
      held = [];
      lead = connect(feed, (line) => {
        say({ line, from: feed.position });
        feed.take(line);
      });
    });

  const endLead = () => {
    lead?.stop();
    lead = undefined;
    unlock?.();
  };

  /* ---------- Being led ---------- */

  const hear = (word: Line | Sign) => {
    if (isStopped) return;
    if (reading) {
      held.push(word);
      if (held.length > HELD_MAX) held.shift();
    } else if ("state" in word) {
      feed.tell(word.state);
      if (word.at && !covers(feed.position, word.at)) read();
    } else if (word.line.startsWith('{"type":"hello"')) {
      // It may be another log than the one that this tab knows, or an earlier state of it.
      if (!covers(JSON.parse(word.line).tail, feed.position ?? "")) read();
    } else if (word.line.startsWith('{"type":"source"') || covers(feed.position, word.from ?? "")) {
      feed.take(word.line);
    } else {
      read();
    }
  };

  const join = () => {
    if (!turn) {
      heardAt = Date.now();
      queue();
    }
    say("who");
  };

  const read = () => {
    reading = persist(async (signal) => {
      await feed.prepare(signal);
      await readLines(past(feed.url()), feed.take, signal);
      signal.throwIfAborted();
      const words = held;
      held = [];
      reading = undefined;
      words.forEach(hear);
      join();
    }, feed.tell);
  };

  /* ---------- Both ---------- */

  channel.onmessage = ({ data: word }: MessageEvent<Word>) => {
    if (typeof word !== "string") {
      if (lead) return;
      heardAt = Date.now();
      silenceMax = SILENCE_MAX_MS;
      hear(word);
    } else if (lead) {
      if (word === "who") sayState();
      else lead[word]();
    }
  };
  const look = () => {
    const { state } = feed;
    if (lead) return sayState();
    // The clock of a hidden leader may be slow, and ours is not.
    if (state.name === "waiting" && Date.now() > state.retryAt + RETRY_LATE_MS) say("retry");
    if (!turn || Date.now() - heardAt < silenceMax) return;
    // It may be we who slept: so it is asked before it is taken for dead.
    const askedAt = heardAt;
    say("who");
    setTimeout(() => {
      if (heardAt !== askedAt || lead || isStopped) return;
      heardAt = Date.now();
      queue(true);
    }, ANSWER_MAX_MS);
  };
  const watch = setInterval(look, LOOK_EVERY_MS);
  if (feed.hasPast) read();
  else join();

  const pass = (word: "drop" | "retry") => {
    const effort = lead ?? reading;
    if (effort) effort[word]();
    else say(word);
  };
  return {
    get isShared() {
      return !lead && silenceMax === SILENCE_MAX_MS;
    },
    get isReading() {
      return !!reading;
    },
    announce: () => {
      if (lead) sayState();
    },
    drop: () => pass("drop"),
    retry: () => pass("retry"),
    stop: () => {
      isStopped = true;
      clearInterval(watch);
      channel.close();
      reading?.stop();
      turn?.abort();
      endLead();
    },
  };
}
