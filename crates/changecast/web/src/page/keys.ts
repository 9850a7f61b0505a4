// The keyboard: one key for each thing that the page does, and a sheet that tells them.

import { byId, element } from "./dom.ts";

export interface Shortcut {
  /** As in `KeyboardEvent.key`. */
  keys: string[];
  label: string;
  run: () => void;
}

const NAMES: Record<string, string> = { " ": "Space", ArrowDown: "↓", ArrowUp: "↑" };
const STORED = "changecast-shortcuts";

/** Where keys have a meaning of their own. */
const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
const PRESSING = "button, a[href], summary, input, [role=treeitem], [role=button], [role=menuitem]";

export class Keys {
  readonly #shortcuts: Shortcut[];
  readonly #help = byId<HTMLDialogElement>("help");
  readonly #switch = byId<HTMLInputElement>("shortcuts-on");

  constructor(shortcuts: Shortcut[]) {
    this.#shortcuts = [...shortcuts, { keys: ["?"], label: "This sheet", run: () => this.#help.showModal() }];
    byId("help-open").addEventListener("click", () => this.#help.showModal());
    // Whoever speaks to the computer may want to switch off what reacts to single letters.
    this.#switch.checked = remembered() !== "off";
    this.#switch.addEventListener("change", () => remember(this.#switch.checked ? "on" : "off"));
    document.addEventListener("keydown", (event) => this.#onKey(event));
    this.#write();
  }

  #onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Escape" && target.matches(TYPING) && !target.closest("dialog")) {
      // Else a box for searching would be emptied.
      event.preventDefault();
      return (target as HTMLElement).blur();
    }
    if (!this.#switch.checked || target.closest(`${TYPING}, dialog[open]`)) return;
    if ((event.key === " " || event.key === "Enter") && target.closest(PRESSING)) return;
    const shortcut = this.#shortcuts.find(({ keys }) => keys.includes(event.key));
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  }

  #write(): void {
    byId("shortcuts").replaceChildren(...this.#shortcuts.map(({ keys, label }) => {
      const names = keys.map((key) => element("kbd", "", NAMES[key] ?? key));
      return element("div", "", element("dt", "", ...names), element("dd", "", label));
    }));
  }
}

/** A browser may keep nothing for a page, and says so by throwing. */
function remembered(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function remember(value: string): void {
  try {
    localStorage.setItem(STORED, value);
  } catch {
    // It holds for this visit.
  }
}

/** Has a menu go when the reader turns to something else. */
export function enableMenu(menu: HTMLDetailsElement): void {
  document.addEventListener("pointerdown", (event) => {
    if (!event.composedPath().includes(menu)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open || event.defaultPrevented) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
}

/** Has every button that names a dialog close it, as a press beside it does. */
export function enableDialogs(): void {
  for (const button of document.querySelectorAll<HTMLElement>("[data-closes]")) {
    button.addEventListener("click", () => byId<HTMLDialogElement>(button.dataset["closes"] ?? "").close());
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
}
