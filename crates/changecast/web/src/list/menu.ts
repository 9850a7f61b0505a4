// The menu of a card: what it can be copied as.

import { element, startOf } from "./dom.ts";
import { COPY_KINDS, type CopyKind } from "./snippets.ts";

export class CopyMenu {
  private opener: HTMLElement | undefined;
  private readonly menu: HTMLElement;

  constructor(private readonly onChoice: (card: HTMLElement, kind: CopyKind) => void) {
    const items = COPY_KINDS.map(({ kind, label }) => {
      const item = element("button", "card-menu-item", label);
      item.type = "button";
      item.tabIndex = -1;
      item.setAttribute("role", "menuitem");
      item.dataset["kind"] = kind;
      return item;
    });
    this.menu = element("div", "card-menu", ...items);
    this.menu.setAttribute("role", "menu");
    this.menu.setAttribute("aria-label", "Copy as");
    this.menu.addEventListener("click", (event) => this.choose(startOf(event)));
    this.menu.addEventListener("keydown", (event) => this.press(event));
    this.menu.addEventListener("focusout", (event) => {
      const next = event.relatedTarget;
      if (!(next instanceof Node && (this.menu.contains(next) || next === this.opener))) this.close();
    });
  }

  toggle(opener: HTMLElement): void {
    const wasOpen = this.opener === opener;
    this.close();
    if (wasOpen) return;
    const card = opener.closest<HTMLElement>(".card");
    if (!card) return;
    this.opener = opener;
    opener.setAttribute("aria-expanded", "true");
    card.classList.add("has-menu");
    card.querySelector(".head")!.append(this.menu);
    this.menu.classList.remove("above");
    // A card at the lower edge opens its menu upwards.
    const { bottom, height } = this.menu.getBoundingClientRect();
    const room = scrollerBottom(card);
    if (bottom > room && opener.getBoundingClientRect().top > height) this.menu.classList.add("above");
    this.items()[0]?.focus({ preventScroll: true });
  }

  close(): void {
    const { opener } = this;
    if (!opener) return;
    this.opener = undefined;
    opener.setAttribute("aria-expanded", "false");
    opener.closest(".card")?.classList.remove("has-menu");
    this.menu.remove();
  }

  private items(): HTMLElement[] {
    return [...this.menu.querySelectorAll<HTMLElement>(".card-menu-item")];
  }

  private choose(start: Element | undefined): void {
    const item = start?.closest<HTMLElement>(".card-menu-item");
    const { opener } = this;
    const card = opener?.closest<HTMLElement>(".card");
    if (!item || !opener || !card) return;
    opener.focus({ preventScroll: true });
    this.close();
    this.onChoice(card, item.dataset["kind"] as CopyKind);
  }

  private press(event: KeyboardEvent): void {
    const items = this.items();
    const index = items.indexOf(startOf(event) as HTMLElement);
    const moves: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: -1 };
    const to = moves[event.key];
    if (to !== undefined) items.at(to % items.length)?.focus({ preventScroll: true });
    else if (event.key === "Escape") this.opener?.focus({ preventScroll: true });
    // Enter and the space bar press the item.
    else if (event.key === "Enter" || event.key === " ") return event.stopPropagation();
    else return;
    if (event.key === "Escape") this.close();
    event.preventDefault();
    event.stopPropagation();
  }
}

function scrollerBottom(card: HTMLElement): number {
  for (let parent = card.parentElement; parent; parent = parent.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(parent).overflowY)) return Math.min(innerHeight, parent.getBoundingClientRect().bottom);
  }
  return innerHeight;
}
