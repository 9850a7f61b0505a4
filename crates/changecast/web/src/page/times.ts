// When a change happened, as its event tells it.

import type { Change } from "../client/api/changecast.d.ts";

/** Milliseconds since 1970, by the source's clock; none if the event does not tell. */
export function timeOf(change: Change): number | undefined {
  return dateOf(change.wallTime) ?? clusterSeconds(change.clusterTime);
}

/** A date of Extended JSON, or as text. */
function dateOf(value: unknown): number | undefined {
  const date = member(value, "$date") ?? value;
  const millis = member(date, "$numberLong") ?? date;
  if (typeof millis === "string" && /^-?\d+$/.test(millis)) return Number(millis);
  if (typeof millis === "number") return millis;
  return typeof millis === "string" ? valid(Date.parse(millis)) : undefined;
}

/** MongoDB's own time knows no parts of a second. */
function clusterSeconds(value: unknown): number | undefined {
  const seconds = member(member(value, "$timestamp"), "t");
  return typeof seconds === "number" ? seconds * 1000 : undefined;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

const valid = (number: number): number | undefined => (Number.isNaN(number) ? undefined : number);

const UNITS: [number, string][] = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1000, "s"], [1, "ms"]];

/** 4 ms, 12 s, 3 min, … */
export function span(millis: number): string {
  for (const [length, unit] of UNITS) {
    if (millis >= length) return `${Math.floor(millis / length)} ${unit}`;
  }
  return "0 ms";
}
