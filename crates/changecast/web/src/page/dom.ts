// The few things that every part of the page does with the DOM. Text is only ever set as text.

/** The element of that id: the page's own HTML has it. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as E;
}

export function element<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  className: string,
  ...children: (string | Node)[]
): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
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

export const count = (number: number): string => number.toLocaleString("en");

/** "3 changes", "1 change". */
export const counted = (number: number, word: string): string => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
