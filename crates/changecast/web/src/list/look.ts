// How an operation looks, and what it says in words.

import type { Change, Gap, Item } from "./item.ts";
import type { IconName } from "./icons.ts";
import { cut, visible } from "./text.ts";
import { dateMillis, scalarOf } from "./value.ts";

export type Look = "insert" | "update" | "replace" | "delete" | "leave" | "structure" | "gap" | "other";

const LOOKS = new Map<unknown, Look>([
  ...(["insert", "update", "replace", "delete", "leave"] as const).map((name) => [name, name] as const),
  ...["create", "createIndexes", "drop", "dropDatabase", "dropIndexes", "invalidate", "modify", "rename",
    "refineCollectionShardKey", "reshardCollection", "shardCollection", "truncate"].map((name) => [name, "structure"] as const),
]);

export function lookOf(item: Item): Look {
  return item.kind === "gap" ? "gap" : LOOKS.get(item.change.operationType) ?? "other";
}

export const iconOf = (look: Look): IconName => look;

const WORD_CHARS_MAX = 40;
const KEY_CHARS_MAX = 200;

export function wordOf(item: Item): string {
  return item.kind === "gap" ? "gap" : visible(cut(String(item.change.operationType), WORD_CHARS_MAX));
}

/** The key of a document: its only column, or each with its name. */
export function keyText(key: unknown): string {
  if (typeof key !== "object" || key === null) return key === undefined ? "" : valueText(key);
  const columns = Object.entries(key);
  const parts = columns.length === 1
    ? [valueText(columns[0]![1])]
    : columns.slice(0, 16).map(([name, value]) => `${visible(name)}=${valueText(value)}`);
  return cut(parts.join(", "), KEY_CHARS_MAX);
}

function valueText(value: unknown): string {
  if (typeof value === "string") return visible(cut(value, KEY_CHARS_MAX));
  return scalarOf(value)?.text ?? visible(cut(JSON.stringify(value) ?? "", KEY_CHARS_MAX));
}

/** When the database made the change, or else when it came, in milliseconds. */
export function timeOf(item: Item): number {
  const wall: any = item.kind === "change" ? item.change.wallTime : undefined;
  return (wall === undefined || wall === null ? undefined : dateMillis(wall.$date ?? wall)) ?? item.arrival;
}

const nsText = (ns: unknown): string => {
  const { db, coll } = (ns ?? {}) as { db?: unknown; coll?: unknown };
  return visible(cut([db, coll].filter((part) => typeof part === "string").join("."), KEY_CHARS_MAX));
};

/** What an operation without a document means. */
export function sentence(change: Change): string | undefined {
  const name = nsText(change.ns) || "this source";
  switch (change.operationType) {
    case "drop": return `The collection ${name} was dropped, with all its documents.`;
    case "dropDatabase": return `The database ${name} was dropped, with all its collections.`;
    case "rename": return `The collection ${name} is now ${nsText(change["to"]) || "another"}.`;
    case "truncate": return `${name} was emptied: all its rows are gone.`;
    case "invalidate": return `The change stream of ${name} ended here: what it watched was dropped or renamed.`;
    case "create": return `The collection ${name} was created.`;
    case "leave": return "The document no longer matches the filter.";
    default: return undefined;
  }
}

export function gapTitle(gap: Gap): string {
  const whose = gap.scope === "source" ? `of source ${visible(cut(String(gap.source ?? ""), KEY_CHARS_MAX))}` : "of the server's log";
  return `Some changes ${whose} are missing here.`;
}

export function gapAdvice(gap: Gap): string {
  return gap.action === "refetch"
    ? "Documents you fetched earlier may be out of date: fetch them again."
    : "The list goes on with the oldest change that is still there.";
}

export function gapRange(gap: Gap): string {
  return cut([gap.from && `after ${gap.from}`, gap.to && `up to ${gap.to}`].filter(Boolean).join(" "), KEY_CHARS_MAX);
}
