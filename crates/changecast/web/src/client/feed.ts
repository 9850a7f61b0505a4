// What a connection, or a tab's part in a shared one, needs of the follower that it feeds.

import type { State } from "./api/changecast.d.ts";

export interface Feed {
  /** What is covered. */
  readonly position: string | undefined;
  readonly state: State;
  /** Whether something has to be read before what is new. */
  readonly hasPast: boolean;
  /** Where to ask, from where it stands. */
  url(): URL;
  /** Makes ready, such as by loading the documents first. */
  prepare(signal: AbortSignal): Promise<void>;
  /** Takes in a line; one that is covered already does nothing. */
  take(line: string): void;
  tell(state: State): void;
}

/** Something that feeds it. */
export interface Feeding {
  /** Whether another tab holds the connection. */
  readonly isShared: boolean;
  /** Whether what is there already is still being read. */
  readonly isReading: boolean;
  /** Tells the others how the connection is. */
  announce(): void;
  drop(): void;
  retry(): void;
  stop(): void;
}
