// The few things that every part of the page does with the DOM. Text is only ever set as text.

import { element } from "../list/dom.ts";

export { element };
export { counted, number as count } from "../list/text.ts";

/** The element of that id: the page's own HTML has it. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as E;
}

/** A button that is not a form's. */
export function button(className: string, label: string, press: () => void): HTMLButtonElement {
  const made = element("button", className, label);
  made.type = "button";
  made.addEventListener("click", press);
  return made;
}

/** Sets the text if it is another: a screen reader says a live region again at every write. */
export function say(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
