// What a value is. Extended JSON wraps what JSON has no form for (`{"$oid": "…"}`); a reader wants to see the
// thing, not the wrapping. A wrapping that is not exactly what the specification says is an ordinary document.
// https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/

import { cut, number, quoted, visible } from "./text.ts";

/** A value without parts. */
export interface Scalar {
  /** The class `is-<kind>` gives it its colour. */
  kind: string;
  /** The name of a type that the text alone does not tell, such as `ObjectId`. */
  label: string;
  text: string;
  /** What hovering tells. */
  title: string;
}

export type Container = Record<string, unknown> | unknown[];

export function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null && scalarOf(value) === undefined;
}

/** What `value` is, or nothing for a document or an array. */
export function scalarOf(value: unknown): Scalar | undefined {
  switch (typeof value) {
    case "string": return { kind: "string", label: "", text: quoted(value), title: "string" };
    case "number": return { kind: "number", label: "", text: String(value), title: "number" };
    case "boolean": return { kind: "boolean", label: "", text: String(value), title: "boolean" };
    case "object": break;
    default: return { kind: "null", label: "", text: "nothing", title: "no value" };
  }
  if (value === null) return { kind: "null", label: "", text: "null", title: "null" };
  return Array.isArray(value) ? undefined : wrapped(value as Record<string, unknown>);
}

type Reader = (inner: any, outer: Record<string, unknown>) => Scalar | undefined;

const scalar = (kind: string, label: string, text: string, title = label): Scalar => ({ kind, label, text: visible(text), title });

/** A text under a name, and nothing else beside it. */
const textual = (kind: string, label: string, title = label): Reader => (inner) =>
  typeof inner === "string" ? scalar(kind, label, inner, title) : undefined;

const WRAPPINGS: Record<string, { others?: string[]; read: Reader }> = {
  $oid: { read: (inner) => (typeof inner === "string" && /^[0-9a-f]{24}$/i.test(inner) ? objectId(inner) : undefined) },
  $date: { read: dateOf },
  $numberLong: { read: textual("number", "Long", "Long: an integer of 64 bits that a JavaScript number cannot hold") },
  $numberInt: { read: textual("number", "Int32") },
  $numberDouble: { read: textual("number", "Double") },
  $numberDecimal: { read: textual("decimal", "Decimal128", "Decimal128: exact to 34 digits") },
  $binary: { read: binary },
  $uuid: { read: textual("binary", "UUID") },
  $timestamp: { read: timestamp },
  $regularExpression: { read: regularExpression },
  $minKey: { read: (inner) => (inner === 1 ? scalar("key", "", "MinKey", "MinKey: less than any other value") : undefined) },
  $maxKey: { read: (inner) => (inner === 1 ? scalar("key", "", "MaxKey", "MaxKey: greater than any other value") : undefined) },
  $undefined: { read: (inner) => (inner === true ? scalar("null", "", "undefined", "undefined (deprecated)") : undefined) },
  $symbol: { read: textual("string", "Symbol", "Symbol (deprecated)") },
  $code: { others: ["$scope"], read: (inner) => (typeof inner === "string" ? scalar("code", "Code", cut(inner, 2_000)) : undefined) },
  $dbPointer: { read: (inner) => scalar("objectid", "DBPointer", cut(JSON.stringify(inner) ?? "", 200), "DBPointer (deprecated)") },
  $ref: { others: ["$id", "$db"], read: reference },
};
const NAMES = Object.keys(WRAPPINGS);

function wrapped(value: Record<string, unknown>): Scalar | undefined {
  // Asked name by name: listing the names of a document of a million fields would take long.
  const name = NAMES.find((candidate) => Object.hasOwn(value, candidate));
  if (name === undefined) return undefined;
  const { others = [], read } = WRAPPINGS[name]!;
  if (!Object.keys(value).every((key) => key === name || others.includes(key))) return undefined;
  return read(value[name], value);
}

function objectId(hex: string): Scalar {
  const made = new Date(parseInt(hex.slice(0, 8), 16) * 1000);
  return scalar("objectid", "ObjectId", hex, `ObjectId, made at ${made.toISOString()}`);
}

/** A date of relaxed (`"2026-11-21T…"`) or canonical Extended JSON, in milliseconds. */
export function dateMillis(inner: unknown): number | undefined {
  if (typeof inner === "object" && inner !== null) {
    const { $numberLong: text } = inner as Record<string, unknown>;
    return typeof text === "string" && Number.isFinite(Number(text)) ? Number(text) : undefined;
  }
  const millis = typeof inner === "number" ? inner : typeof inner === "string" ? Date.parse(inner) : NaN;
  return Number.isFinite(millis) ? millis : undefined;
}

function dateOf(inner: unknown): Scalar | undefined {
  if (typeof inner === "string") {
    const millis = dateMillis(inner);
    const there = millis === undefined ? "" : `: ${new Date(millis).toString()}`;
    return scalar("date", "Date", inner.replace("T", " "), `Date${there}`);
  }
  const millis = dateMillis(inner);
  if (millis === undefined) return undefined;
  const date = new Date(millis);
  // A date that JavaScript has no text for is still a number of milliseconds.
  if (Number.isNaN(date.valueOf())) return scalar("date", "Date", `${millis} ms`, "Date, in milliseconds since 1970");
  return scalar("date", "Date", date.toISOString().replace("T", " "), `Date: ${date}`);
}

const SUBTYPES: Record<string, string> = {
  "00": "generic", "01": "function", "02": "old generic", "03": "old UUID", "04": "UUID", "05": "MD5",
  "06": "encrypted", "07": "compressed time series", "08": "sensitive", "09": "vector",
};

function binary(inner: any): Scalar | undefined {
  if (typeof inner?.base64 !== "string" || typeof inner.subType !== "string") return undefined;
  const { base64 } = inner as { base64: string };
  const subtype = inner.subType.padStart(2, "0");
  const uuid = subtype === "04" ? uuidOf(base64) : undefined;
  if (uuid) return scalar("binary", "UUID", uuid, "UUID: Binary of subtype 4");
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const size = Math.max(0, Math.floor(base64.length / 4) * 3 - padding);
  const name = SUBTYPES[subtype] ?? (/^[89a-f]/i.test(subtype) ? "user-defined" : "unknown");
  return scalar("binary", "Binary", `${number(size)} bytes ${cut(base64, 40)}`, `Binary, subtype ${subtype} (${name}), in Base64`);
}

function uuidOf(base64: string): string | undefined {
  if (!/^[A-Za-z0-9+/]{22}==$/.test(base64)) return undefined;
  const hex = Array.from(atob(base64), (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function timestamp(inner: any): Scalar | undefined {
  if (typeof inner?.t !== "number" || typeof inner.i !== "number") return undefined;
  const date = new Date(inner.t * 1000);
  if (Number.isNaN(date.valueOf())) return undefined;
  const text = `${date.toISOString().replace("T", " ").replace(".000", "")} · ${inner.i}`;
  return scalar("date", "Timestamp", text, `Timestamp: operation ${inner.i} of second ${inner.t}`);
}

function regularExpression(inner: any): Scalar | undefined {
  if (typeof inner?.pattern !== "string" || typeof inner.options !== "string") return undefined;
  return scalar("regex", "Regex", `/${cut(inner.pattern, 500)}/${cut(inner.options, 20)}`, "regular expression");
}

function reference(inner: unknown, outer: Record<string, unknown>): Scalar | undefined {
  if (typeof inner !== "string" || !Object.hasOwn(outer, "$id")) return undefined;
  const id = scalarOf(outer["$id"]);
  if (!id) return undefined;
  const database = typeof outer["$db"] === "string" ? `${outer["$db"]}.` : "";
  return scalar("objectid", "DBRef", cut(`${database}${inner} ${id.text}`, 200), "DBRef: a reference to a document");
}
