// Writes to the clipboard, also on a page that came over plain HTTP from another machine, where browsers offer none.

import { element } from "./dom.ts";

/** Says whether it worked. */
export async function copyText(text: string, beside: HTMLElement): Promise<boolean> {
  try {
    if (!navigator.clipboard) return copyBySelection(text, beside);
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text, beside);
  }
}

function copyBySelection(text: string, beside: HTMLElement): boolean {
  const area = element("textarea", "cc-unseen");
  area.value = text;
  area.readOnly = true;
  area.setAttribute("aria-hidden", "true");
  const { activeElement } = beside.ownerDocument;
  beside.append(area);
  area.select();
  try {
    // Deprecated, and the only way without a secure context.
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (activeElement instanceof HTMLElement) activeElement.focus({ preventScroll: true });
  }
}
