// A document as a tree that folds. Only what is open has elements, and of that only so many at a time: a document
// of 16 MB costs what is looked at of it.

import { element } from "./dom.ts";
import { icon } from "./icons.ts";
import { preview } from "./preview.ts";
import { counted, cut, number, quoted, visible, wholeCharacters } from "./text.ts";
import { isContainer, scalarOf, type Container } from "./value.ts";
import type { View } from "./view.ts";

/** At first of the document itself, and of what is in it. */
const FIELDS_FIRST = 16;
const FIELDS_MORE = 100;
/** A last few are shown along, rather than announced. */
const FIELDS_GRACE = 3;
const STRING_CHARS_FIRST = 240;
const STRING_CHARS_MORE = 20_000;
const NAME_CHARS_MAX = 120;
/** A small part of a document that has no room on one line begins open. */
const OPEN_FIELDS_MAX = 6;

const SEPARATOR = "\u0000";

export interface Tree {
  view: View;
  /** Paths to be marked: what an update changed. */
  touched?: ReadonlySet<string>;
}

interface NodeOf {
  tree: Tree;
  value: unknown;
  /** Tells the node from all others of its card. */
  place: string;
  path: string;
  depth: number;
}

const nodes = new WeakMap<Element, NodeOf>();

/** The fields of `value`, open, without a line for itself. */
export function fieldsTree(tree: Tree, value: Container, place: string, label: string): HTMLElement {
  const root = element("div", "tree");
  root.setAttribute("role", "tree");
  root.setAttribute("aria-label", label);
  fill(root, { tree, value, place, path: "", depth: 0 });
  const first = root.querySelector<HTMLElement>(".node");
  if (first) first.tabIndex = 0;
  else root.replaceChildren(element("span", "cc-quiet", Array.isArray(value) ? "[] an empty array" : "{} an empty document"));
  return root;
}

/** `value` as one line that opens. */
export function lineTree(tree: Tree, name: string | undefined, value: unknown, place: string, label: string): HTMLElement {
  const root = element("div", "tree");
  root.setAttribute("role", "tree");
  root.setAttribute("aria-label", label);
  const node = nodeElement({ tree, value, place, path: "", depth: 2 }, name);
  node.tabIndex = 0;
  root.append(node);
  return root;
}

function nodeElement(node: NodeOf, name: string | undefined): HTMLElement {
  const row = element("div", "tree-row");
  const made = element("div", "node", row);
  made.setAttribute("role", "treeitem");
  made.tabIndex = -1;
  nodes.set(made, node);
  mark(made, node);
  if (name !== undefined) row.append(element("span", "name", visible(cut(name, NAME_CHARS_MAX))), element("span", "colon", ": "));
  if (isContainer(node.value)) fillContainer(made, row, node, node.value);
  else row.append(...scalarParts(node));
  return made;
}

function mark(made: HTMLElement, { tree, path }: NodeOf): void {
  if (!tree.touched || path === "") return;
  if (tree.touched.has(path)) made.classList.add("touched");
}

const holdsTouched = ({ tree, path }: NodeOf): boolean => {
  for (const touched of tree.touched ?? []) if (touched.startsWith(`${path}.`)) return true;
  return false;
};

function fillContainer(made: HTMLElement, row: HTMLElement, node: NodeOf, value: Container): void {
  const { text, isWhole } = preview(value);
  const count = Array.isArray(value) ? value.length : isWhole ? 0 : Object.keys(value).length;
  const isOpen = node.tree.view.isOpen(node.place, isOpenByDefault(node, isWhole, count));
  made.classList.add("folds");
  made.setAttribute("aria-expanded", String(isOpen));
  row.prepend(element("span", "twist", icon("fold")));
  const noun = Array.isArray(value) ? "item" : "field";
  row.append(element("span", "preview", text), element("span", "tree-count", isWhole ? "" : counted(count, noun)));
  if (isOpen) unfold(made, node);
}

function isOpenByDefault(node: NodeOf, isWhole: boolean, count: number): boolean {
  if (node.tree.touched && node.path !== "" && holdsTouched(node)) return true;
  return node.depth === 1 && !isWhole && count <= OPEN_FIELDS_MAX;
}

function unfold(made: HTMLElement, node: NodeOf): void {
  const group = element("div", "group");
  group.setAttribute("role", "group");
  fill(group, node);
  made.append(group);
}

function fill(group: HTMLElement, node: NodeOf): void {
  const value = node.value as Container;
  const names = Array.isArray(value) ? undefined : Object.keys(value);
  const total = names?.length ?? (value as unknown[]).length;
  const wanted = node.tree.view.count(node.place, FIELDS_FIRST);
  const shown = total <= wanted + FIELDS_GRACE ? total : wanted;
  for (let index = group.childElementCount; index < shown; index += 1) {
    const name = names ? names[index]! : String(index);
    const inner = {
      tree: node.tree,
      value: (value as Record<string, unknown>)[name],
      place: `${node.place}${SEPARATOR}${name}`,
      path: node.path ? `${node.path}.${name}` : name,
      depth: node.depth + 1,
    };
    group.append(nodeElement(inner, name));
  }
  if (shown < total) group.append(moreElement(node, shown, total));
}

function moreElement(node: NodeOf, shown: number, total: number): HTMLElement {
  const noun = Array.isArray(node.value) ? "item" : "field";
  const more = element("div", "node more", `… ${number(total - shown)} more ${noun}${total - shown === 1 ? "" : "s"}`);
  more.setAttribute("role", "treeitem");
  more.tabIndex = -1;
  nodes.set(more, { ...node, depth: node.depth + 1 });
  return more;
}

function scalarParts(node: NodeOf): Node[] {
  if (typeof node.value === "string" && node.value.length > STRING_CHARS_FIRST) return stringParts(node, node.value);
  return valueParts(node.value);
}

/** A value without parts: its type where the text does not tell it, and its text. */
export function valueParts(value: unknown): Node[] {
  const { kind, label, text, title } = scalarOf(value) ?? { kind: "null", label: "", text: "", title: "" };
  const shown = element("span", `value is-${kind}`, text);
  shown.title = title;
  return label ? [element("span", "type", label), shown] : [shown];
}

function stringParts(node: NodeOf, text: string): Node[] {
  const shown = node.tree.view.count(node.place, STRING_CHARS_FIRST);
  const part = element("span", "value is-string", quoted(wholeCharacters(text, shown)));
  part.title = `string of ${counted(text.length, "character")}`;
  if (shown >= text.length) return [part];
  return [part, element("span", "longer", `… ${counted(text.length - shown, "character")} more`)];
}

/* ---------- What a reader does ---------- */

/** A click. Says whether it was for a tree. */
export function clickTree(start: Element): boolean {
  const node = start.closest<HTMLElement>(".node");
  if (!node) return false;
  if (start.closest(".longer") || node.classList.contains("more")) return showMore(node);
  // A selection of text ends in a click, too.
  if (!start.closest(".tree-row") || !node.classList.contains("folds") || hasSelection(start)) return false;
  return setOpen(node, expanded(node) !== "true");
}

const expanded = (node: Element): string | null => node.getAttribute("aria-expanded");

function hasSelection(start: Element): boolean {
  const selection = start.ownerDocument.getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(start, true);
}

function setOpen(made: HTMLElement, isOpen: boolean): boolean {
  const node = nodes.get(made);
  if (!node || !made.classList.contains("folds")) return false;
  node.tree.view.setOpen(node.place, isOpen);
  made.setAttribute("aria-expanded", String(isOpen));
  made.querySelector(":scope > .group")?.remove();
  if (isOpen) unfold(made, node);
  return true;
}

function showMore(made: HTMLElement): boolean {
  const node = nodes.get(made);
  if (!node) return false;
  if (typeof node.value === "string") return showMoreText(made, node);
  const shown = node.tree.view.count(node.place, FIELDS_FIRST);
  node.tree.view.setCount(node.place, shown + FIELDS_MORE);
  const group = made.parentElement!;
  const before = made.previousElementSibling;
  const hadFocus = made.matches(":focus");
  made.remove();
  fill(group, { ...node, depth: node.depth - 1 });
  const next = before?.nextElementSibling as HTMLElement | null | undefined;
  if (next && made.tabIndex === 0) next.tabIndex = 0;
  if (hadFocus && next) focusOn(next);
  return true;
}

function showMoreText(made: HTMLElement, node: NodeOf): boolean {
  const shown = node.tree.view.count(node.place, STRING_CHARS_FIRST);
  if (shown >= (node.value as string).length) return false;
  node.tree.view.setCount(node.place, shown + STRING_CHARS_MORE);
  const row = made.querySelector(".tree-row")!;
  row.querySelectorAll(".value, .longer").forEach((part) => part.remove());
  row.append(...stringParts(node, node.value as string));
  return true;
}

/** The keys of a tree. Says whether the key was one of them. */
export function pressInTree(start: Element, key: string): boolean {
  const node = start.closest<HTMLElement>(".node");
  if (!node || node !== start) return false;
  switch (key) {
    case "ArrowDown": return step(node, 1);
    case "ArrowUp": return step(node, -1);
    case "Home": return step(node, -Infinity);
    case "End": return step(node, Infinity);
    case "ArrowRight": return expanded(node) === "false" ? setOpen(node, true) : expanded(node) === "true" && step(node, 1);
    case "ArrowLeft": return (expanded(node) === "true" && setOpen(node, false)) || focusParent(node);
    case "Enter":
    case " ": return activate(node);
    default: return false;
  }
}

function activate(node: HTMLElement): boolean {
  if (node.classList.contains("folds")) return setOpen(node, expanded(node) !== "true");
  return node.classList.contains("more") || node.querySelector(".longer") ? showMore(node) : false;
}

/** Past either end the key is the list's or the page's. */
function step(node: HTMLElement, by: number): boolean {
  const all = [...node.closest(".tree")!.querySelectorAll<HTMLElement>(".node")];
  const index = all.indexOf(node) + by;
  const to = Number.isFinite(index) ? all[index] : all.at(by < 0 ? 0 : -1);
  if (to) focusOn(to);
  return to !== undefined;
}

function focusParent(node: HTMLElement): boolean {
  const parent = node.parentElement?.closest<HTMLElement>(".node");
  if (parent) focusOn(parent);
  return parent !== null && parent !== undefined;
}

/** One node of a tree is a stop of the tab key: the last that had the focus. */
function focusOn(node: HTMLElement): void {
  node.closest(".tree")?.querySelectorAll<HTMLElement>('.node[tabindex="0"]').forEach((other) => (other.tabIndex = -1));
  node.tabIndex = 0;
  node.focus();
}
