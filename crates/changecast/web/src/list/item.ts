// What a list shows: changes and gaps, as they came.

import type { Change, Gap } from "../client/api/changecast.d.ts";

export type { Change, Gap };

export type Item =
  | { kind: "change"; id: string; topic: string; change: Change; size: number; arrival: number }
  | { kind: "gap"; id: string; gap: Gap; arrival: number };
