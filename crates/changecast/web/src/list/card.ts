// One card: its head, its body, and what belongs to them.

import { bodyOf } from "./body.ts";
import { button, element } from "./dom.ts";
import type { Entry } from "./history.ts";
import { icon } from "./icons.ts";
import type { Item } from "./item.ts";
import { gapRange, iconOf, keyText, lookOf, timeOf, wordOf } from "./look.ts";
import { counted, cut, number, sizeText, visible } from "./text.ts";
import type { Clock } from "./time.ts";
import { View } from "./view.ts";

const TOPIC_CHARS_MAX = 200;

export function buildCard(entry: Entry, clock: Clock): HTMLElement {
  const { item } = entry;
  entry.view ??= new View();
  const card = element("div", `card op-${lookOf(item)}`);
  if (item.kind === "change") card.id = `change-${htmlId(item)}`;
  card.tabIndex = -1;
  card.setAttribute("role", "article");
  card.setAttribute("part", "card");
  card.append(headOf(item, card, entry.view, clock));
  showBody(card, entry);
  return card;
}

/** The card's body, or none if it is folded. */
export function showBody(card: HTMLElement, entry: Entry): void {
  const { item, skipped } = entry;
  const view = (entry.view ??= new View());
  card.querySelectorAll(":scope > :not(.head)").forEach((part) => part.remove());
  card.classList.toggle("folded", view.isFolded);
  card.querySelector(".head .fold")?.setAttribute("aria-expanded", String(!view.isFolded));
  if (!view.isFolded) card.append(bodyOf(item, view));
  if (skipped > 0) card.append(element("p", "skipped", `${counted(skipped, "change")} before this one not shown`));
}

function headOf(item: Item, card: HTMLElement, view: View, clock: Clock): HTMLElement {
  const look = lookOf(item);
  const word = wordOf(item);
  const badge = part("span", "badge", icon(iconOf(look)), word);
  const fold = button("fold", "Fold or unfold", icon("fold"));
  fold.setAttribute("aria-label", `Details of this ${word}`);
  fold.setAttribute("aria-expanded", String(!view.isFolded));
  const menu = button("menu-button", "Copy this as …", icon("menu"));
  menu.setAttribute("aria-label", `Copy this ${word}`);
  menu.setAttribute("aria-haspopup", "menu");
  menu.setAttribute("aria-expanded", "false");
  const head = part("header", "head", fold, badge, ...namesOf(item), element("span", "room"));
  if (item.kind === "change") head.append(sizeOf(item.size));
  const time = clock.timeFor(card, timeOf(item));
  time.setAttribute("part", "time");
  head.append(time, menu);
  return head;
}

function namesOf(item: Item): Node[] {
  const id = part("span", "event-id", visible(cut(item.id, TOPIC_CHARS_MAX)));
  if (item.kind === "gap") {
    id.textContent = visible(gapRange(item.gap)) || id.textContent;
    return [id];
  }
  const topic = part("span", "topic", visible(cut(item.topic, TOPIC_CHARS_MAX)));
  const key = part("span", "key", keyText(item.change.documentKey));
  return [topic, key, id];
}

function sizeOf(size: number): HTMLElement {
  const made = element("span", "size", sizeText(size));
  made.title = `${number(size)} characters on the wire`;
  return made;
}

/** An element that a page around `<change-stream>` may style. */
function part<K extends keyof HTMLElementTagNameMap>(tag: K, name: string, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = element(tag, name, ...children);
  made.setAttribute("part", name);
  return made;
}

/** The original's id of a change in HTML: the base64url of its own id, without padding. */
function htmlId({ change, id }: Extract<Item, { kind: "change" }>): string {
  const bytes = new TextEncoder().encode(String(change._id?._data ?? id));
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
