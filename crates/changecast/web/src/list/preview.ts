// A document or an array in one short line, without walking through all of it.

import { cut, visible } from "./text.ts";
import { isContainer, scalarOf, type Container } from "./value.ts";

const PREVIEW_CHARS_MAX = 72;
const STRING_CHARS_MAX = 32;

export interface Preview {
  text: string;
  /** Whether nothing was left out. */
  isWhole: boolean;
}

export function preview(value: Container): Preview {
  const writer = new Writer();
  writer.container(value);
  return { text: writer.text, isWhole: writer.isWhole };
}

class Writer {
  text = "";
  isWhole = true;

  container(value: Container): void {
    const isArray = Array.isArray(value);
    this.text += isArray ? "[" : "{";
    let isFirst = true;
    // `in` and not a list of the names: of a large document only the first few are looked at.
    for (const name in value) {
      if (this.text.length >= PREVIEW_CHARS_MAX) {
        this.isWhole = false;
        this.text += isFirst ? "…" : ", …";
        break;
      }
      this.text += isFirst ? (isArray ? "" : " ") : ", ";
      if (!isArray) this.text += `${visible(cut(name, STRING_CHARS_MAX))}: `;
      this.value((value as Record<string, unknown>)[name]);
      isFirst = false;
    }
    this.text += isArray ? "]" : isFirst ? "}" : " }";
  }

  private value(value: unknown): void {
    if (isContainer(value)) {
      this.container(value);
      return;
    }
    const isLong = typeof value === "string" && value.length > STRING_CHARS_MAX;
    if (isLong) this.isWhole = false;
    const text = scalarOf(isLong ? cut(value as string, STRING_CHARS_MAX) : value)!.text;
    this.text += cut(text, 2 * STRING_CHARS_MAX);
  }
}
