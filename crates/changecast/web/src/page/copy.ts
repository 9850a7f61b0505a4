// Buttons that copy.

import { copyText } from "../list/clipboard.ts";
import { byId } from "./dom.ts";

const SAID_FOR_MS = 1_500;

/** Has every button that names what it copies do so. */
export function enableCopyButtons(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copies]")) {
    enableCopy(button, button, () => byId(button.dataset["copies"] ?? "").textContent ?? "");
  }
}

/** Copies `text()` at a press, and says so in `label`. */
export function enableCopy(button: HTMLButtonElement, label: HTMLElement, text: () => string): void {
  const usual = label.textContent;
  let timer: ReturnType<typeof setTimeout> | undefined;
  button.addEventListener("click", async () => {
    label.textContent = (await copyText(text(), document.body)) ? "Copied" : "Not copied";
    clearTimeout(timer);
    timer = setTimeout(() => (label.textContent = usual), SAID_FOR_MS);
  });
}
