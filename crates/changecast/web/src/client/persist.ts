// Tries again until it is done: the one place that knows about failures.

import type { State } from "./api/changecast.d.ts";
import { Refusal } from "./wire.ts";

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** A connection that lived for so long was a good one: the next failure is the first. */
const GOOD_MS = 10_000;

/** What tries again. */
export interface Effort {
  /** Fails the attempt under way, as the network would. */
  drop(): void;
  /** Tries now instead of after the pause. */
  retry(): void;
  /** Ends it. */
  stop(): void;
}

/** Runs `task` until it resolves, with a growing pause after each failure: 0.5 to 30 seconds, of which chance takes a part. */
export function persist(task: (signal: AbortSignal) => Promise<void>, tell: (state: State) => void): Effort {
  let failureCount = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt: AbortController | undefined;
  let isStopped = false;

  const begin = async () => {
    if (isStopped) return;
    clearTimeout(timer);
    timer = undefined;
    const mine = (attempt = new AbortController());
    const begunAt = Date.now();
    tell({ name: "connecting" });
    try {
      // Whoever was told may have stopped it.
      mine.signal.throwIfAborted();
      await task(mine.signal);
      if (attempt === mine) attempt = undefined;
      failureCount = 0;
    } catch (error) {
      // Stopped: nobody waits for it any more.
      if (attempt !== mine) return;
      attempt = undefined;
      mine.abort();
      if (Date.now() - begunAt > GOOD_MS) failureCount = 0;
      fail(error as Error);
    }
  };

  const fail = (error: Error) => {
    const { message, isFinal, afterMs = 0 } = error as Error & Partial<Refusal>;
    if (isFinal) return tell({ name: "closed", error: message });
    // All of it is chance, so that a restarted server does not meet all its clients in one instant.
    const pause = afterMs + Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** failureCount++);
    timer = setTimeout(begin, pause);
    tell({ name: "waiting", retryAt: Date.now() + pause, error: message });
  };

  // Not before whoever started it can stop it.
  Promise.resolve().then(begin);
  return {
    drop: () => attempt?.abort(new Error("dropped")),
    retry: () => {
      if (timer) begin();
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      timer = undefined;
      const last = attempt;
      attempt = undefined;
      last?.abort();
    },
  };
}
