// What an update changed: from the states before and after it where the source sent both, else from its description.

import type { Change } from "./item.ts";
import { isContainer } from "./value.ts";

export interface Delta {
  /** Names from the document's top, with dots between them. */
  path: string;
  /** `set`: there is a new value, and nobody said what was there before. */
  kind: "changed" | "added" | "removed" | "set" | "truncated";
  before?: unknown;
  after?: unknown;
}

export interface Diff {
  deltas: Delta[];
  /** The document's fields that are as they were, where that is known. */
  unchanged: number | undefined;
  /** Whether there is more than was looked at. */
  isCut: boolean;
}

/** Beyond this a comparison would hold up the page for longer than a reader would wait. */
const VISITS_MAX = 50_000;
const DELTAS_MAX = 500;

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** What is known of what an update or a replacement changed. */
export function diffOf(change: Change): Diff | undefined {
  const { fullDocument: after, fullDocumentBeforeChange: before } = change;
  if (isFields(before) && isFields(after)) return new Comparison().run(before, after);
  const description = change.updateDescription;
  return isFields(description) ? described(description, after) : undefined;
}

class Comparison {
  private readonly deltas: Delta[] = [];
  private visits = 0;

  run(before: Fields, after: Fields): Diff {
    const unchanged = this.fields(before, after, "");
    return { deltas: this.deltas, unchanged, isCut: this.isSpent() };
  }

  private isSpent(): boolean {
    return this.visits >= VISITS_MAX || this.deltas.length >= DELTAS_MAX;
  }

  /** Says how many fields are the same. */
  private fields(before: Fields, after: Fields, path: string): number {
    let same = 0;
    for (const name of Object.keys(after)) {
      if (this.isSpent()) return same;
      const inner = path ? `${path}.${name}` : name;
      if (!Object.hasOwn(before, name)) this.deltas.push({ path: inner, kind: "added", after: after[name] });
      else if (this.values(before[name], after[name], inner)) same += 1;
    }
    for (const name of Object.keys(before)) {
      if (this.isSpent()) return same;
      if (Object.hasOwn(after, name)) continue;
      this.deltas.push({ path: path ? `${path}.${name}` : name, kind: "removed", before: before[name] });
    }
    return same;
  }

  private values(before: unknown, after: unknown, path: string): boolean {
    this.visits += 1;
    const known = this.deltas.length;
    if (Array.isArray(before) && Array.isArray(after)) this.items(before, after, path);
    else if (isContainer(before) && isContainer(after) && isFields(before) && isFields(after)) this.fields(before, after, path);
    else if (!this.isEqual(before, after)) this.deltas.push({ path, kind: "changed", before, after });
    return this.deltas.length === known;
  }

  /** Items that were put in or taken out move those behind them: what is the same at both ends is set aside first. */
  private items(before: unknown[], after: unknown[], path: string): void {
    let start = 0;
    while (start < before.length && start < after.length && this.isEqual(before[start], after[start])) start += 1;
    let [oldEnd, newEnd] = [before.length, after.length];
    while (oldEnd > start && newEnd > start && this.isEqual(before[oldEnd - 1], after[newEnd - 1])) {
      oldEnd -= 1;
      newEnd -= 1;
    }
    const common = Math.min(oldEnd, newEnd);
    for (let index = start; index < common && !this.isSpent(); index += 1) {
      this.values(before[index], after[index], `${path}.${index}`);
    }
    for (let index = common; index < oldEnd && !this.isSpent(); index += 1) {
      this.deltas.push({ path: `${path}.${index}`, kind: "removed", before: before[index] });
    }
    for (let index = common; index < newEnd && !this.isSpent(); index += 1) {
      this.deltas.push({ path: `${path}.${index}`, kind: "added", after: after[index] });
    }
  }

  private isEqual(before: unknown, after: unknown): boolean {
    this.visits += 1;
    if (before === after) return true;
    if (this.visits >= VISITS_MAX) return false;
    if (typeof before !== "object" || typeof after !== "object" || before === null || after === null) return false;
    if (Array.isArray(before) !== Array.isArray(after)) return false;
    const names = Object.keys(before);
    if (names.length !== Object.keys(after).length) return false;
    return names.every((name) => Object.hasOwn(after, name) && this.isEqual((before as Fields)[name], (after as Fields)[name]));
  }
}

function described(description: NonNullable<Change["updateDescription"]>, after: unknown): Diff {
  const { updatedFields, removedFields, truncatedArrays } = description;
  const deltas: Delta[] = [];
  for (const [path, value] of Object.entries(isFields(updatedFields) ? updatedFields : {})) {
    deltas.push({ path, kind: "set", after: value });
  }
  for (const path of Array.isArray(removedFields) ? removedFields : []) deltas.push({ path: String(path), kind: "removed" });
  for (const array of Array.isArray(truncatedArrays) ? truncatedArrays : []) {
    deltas.push({ path: String(array?.field), kind: "truncated", after: array?.newSize });
  }
  const touched = new Set(deltas.map(({ path }) => path.split(".", 1)[0]));
  const unchanged = isFields(after) ? Object.keys(after).filter((name) => !touched.has(name)).length : undefined;
  return { deltas: deltas.slice(0, DELTAS_MAX), unchanged, isCut: deltas.length > DELTAS_MAX };
}
