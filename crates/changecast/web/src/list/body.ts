// What a card says below its head: the document, what changed of it, or in words what happened.

import { diffOf, type Delta, type Diff } from "./diff.ts";
import { element } from "./dom.ts";
import type { Change, Gap, Item } from "./item.ts";
import { gapAdvice, gapTitle, lookOf, sentence } from "./look.ts";
import { counted, cut, visible } from "./text.ts";
import { fieldsTree, lineTree, valueParts, type Tree } from "./tree.ts";
import { isContainer, type Container } from "./value.ts";
import type { View } from "./view.ts";

const PATH_CHARS_MAX = 300;
const REASON_CHARS_MAX = 2_000;
const DELTAS_FIRST = 24;
const UNAVAILABLE_MAX = 20;
/** Longer values stand below each other instead of in one line. */
const LINE_CHARS_MAX = 48;

export function bodyOf(item: Item, view: View): HTMLElement {
  const parts = item.kind === "gap" ? gapParts(item.gap) : changeParts(item.change, view, lookOf(item) === "other");
  const body = element("div", "body", ...parts);
  body.setAttribute("part", "body");
  return body;
}

function gapParts(gap: Gap): Node[] {
  return [
    element("p", "gap-title", gapTitle(gap)),
    element("p", "gap-reason", visible(cut(String(gap.reason), REASON_CHARS_MAX))),
    element("p", "cc-quiet gap-advice", gapAdvice(gap)),
  ];
}

function changeParts(change: Change, view: View, isUnknown: boolean): Node[] {
  const words = sentence(change);
  const parts: Node[] = words ? [element("p", "sentence", words)] : [];
  if (!words) parts.push(...(isUnknown ? [] : documentParts(change, view)));
  parts.push(...unavailableParts(change["unavailable"]));
  const event = lineTree({ view }, isUnknown ? undefined : "event", change, "event", "The whole event");
  event.classList.add("whole");
  parts.push(event);
  return parts;
}

function documentParts(change: Change, view: View): Node[] {
  const diff = change.operationType === "update" || change.operationType === "replace" ? diffOf(change) : undefined;
  if (diff) return diffParts(change, diff, view);
  if (change.operationType === "delete" && isContainer(change.fullDocumentBeforeChange)) {
    return [fieldsTree({ view }, change.fullDocumentBeforeChange, "before", "The document before it was deleted")];
  }
  return valueOf(change, view);
}

function valueOf({ fullDocument, operationType }: Change, view: View): Node[] {
  if (isContainer(fullDocument)) return [fieldsTree({ view }, fullDocument, "after", "The document")];
  if (fullDocument !== undefined && fullDocument !== null) {
    return [lineTree({ view }, undefined, fullDocument, "after", "The value")];
  }
  if (operationType === "delete") return [];
  const words = fullDocument === null
    ? "The document is gone again: it was deleted before it could be looked up."
    : "The source did not send the document.";
  return [element("p", "cc-quiet", words)];
}

function unavailableParts(paths: unknown): Node[] {
  if (!Array.isArray(paths) || paths.length === 0) return [];
  const note = element("p", "unavailable", "Not sent by the source: ");
  paths.slice(0, UNAVAILABLE_MAX).forEach((path, index) => {
    if (index > 0) note.append(", ");
    note.append(element("span", "name", visible(cut(String(path), PATH_CHARS_MAX))));
  });
  if (paths.length > UNAVAILABLE_MAX) note.append(` and ${counted(paths.length - UNAVAILABLE_MAX, "other")}`);
  return [note];
}

/* ---------- What changed ---------- */

function diffParts(change: Change, diff: Diff, view: View): Node[] {
  const rows = diff.deltas.slice(0, DELTAS_FIRST).map((delta, index) => deltaRow(delta, index, view));
  const list = element("div", "diff", ...rows);
  list.setAttribute("role", "list");
  list.setAttribute("aria-label", "What changed");
  const left = diff.deltas.length - rows.length;
  const words = diff.isCut ? "… and more" : left > 0 ? `… ${counted(left, "more change")}` : "";
  const parts: Node[] = rows.length > 0 ? [list] : [element("p", "cc-quiet", "The document is as it was.")];
  if (words) parts.push(element("p", "cc-quiet", `${words}: see the document, or the event.`));
  if (isContainer(change.fullDocument)) parts.push(wholeDocument(change.fullDocument, diff, view));
  return parts;
}

/** The document as it is now, folded behind the number of its fields that did not change. */
function wholeDocument(document: Container, diff: Diff, view: View): HTMLElement {
  const touched = new Set(diff.deltas.filter(({ kind }) => kind !== "removed").map(({ path }) => path));
  const tree: Tree = { view, touched };
  const words = diff.unchanged === undefined || diff.isCut ? "document" : `document · ${counted(diff.unchanged, "field")} unchanged`;
  const line = lineTree(tree, words, document, "document", "The document after the change");
  line.classList.add("unchanged");
  return line;
}

const SIGNS: Record<Delta["kind"], { sign: string; word: string }> = {
  changed: { sign: "~", word: "changed" },
  set: { sign: "~", word: "set" },
  added: { sign: "+", word: "added" },
  removed: { sign: "−", word: "removed" },
  truncated: { sign: "−", word: "cut short" },
};

function deltaRow(delta: Delta, index: number, view: View): HTMLElement {
  const { sign, word } = SIGNS[delta.kind];
  const mark = element("span", "sign", sign);
  mark.title = word;
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", word);
  const path = element("span", "name", visible(cut(delta.path, PATH_CHARS_MAX)));
  const content = element("div", "delta-content", path, ...deltaValues(delta, index, view));
  const row = element("div", `delta delta-${delta.kind}`, mark, content);
  row.setAttribute("role", "listitem");
  return row;
}

function deltaValues(delta: Delta, index: number, view: View): Node[] {
  const side = (name: "before" | "after"): HTMLElement => {
    const part = sideOf(delta[name], `${name} ${index}`, view);
    part.classList.add(name);
    return part;
  };
  switch (delta.kind) {
    case "truncated": return [element("span", "cc-quiet", `cut to ${counted(Number(delta.after), "item")}`)];
    case "removed": return "before" in delta ? [side("before")] : [element("span", "cc-quiet", "removed")];
    case "changed": return changedSides(side("before"), side("after"), delta);
    default: return [side("after")];
  }
}

function changedSides(before: HTMLElement, after: HTMLElement, delta: Delta): Node[] {
  const isLong = [before, after].some((part) => (part.textContent?.length ?? 0) > LINE_CHARS_MAX);
  const arrow = element("span", "arrow", "→");
  arrow.setAttribute("role", "img");
  arrow.setAttribute("aria-label", "became");
  const pair = element("div", isLong ? "sides stacked" : "sides", before, arrow, after);
  const difference = differenceText(delta);
  if (difference) pair.append(element("span", "cc-quiet difference", difference));
  return [pair];
}

/** By how much a number grew or shrank, where that can be told exactly. */
function differenceText({ before, after }: Delta): string {
  if (!Number.isSafeInteger(before) || !Number.isSafeInteger(after)) return "";
  const by = (after as number) - (before as number);
  return Number.isSafeInteger(by) ? (by > 0 ? `+${by}` : `−${-by}`) : "";
}

function sideOf(value: unknown, place: string, view: View): HTMLElement {
  if (isContainer(value) || (typeof value === "string" && value.length > LINE_CHARS_MAX)) {
    return element("div", "side", lineTree({ view }, undefined, value, place, "The value"));
  }
  return element("div", "side", ...valueParts(value));
}
