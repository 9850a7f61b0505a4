// Text from a database, for eyes: what cannot be seen is written as an escape, what is long is cut.

/**
 * Controls, halves of characters, marks that turn the direction of writing, and what has no width: they could disguise what
 * stands there. Joiners (U+200C, U+200D) belong to some scripts, and to emoji.
 */
const UNSEEN =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

const SHORT_ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const hex = character.codePointAt(0)!.toString(16);
  return SHORT_ESCAPES[character] ?? (hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`);
}

/** `text` with whatever cannot be seen made visible. */
export function visible(text: string): string {
  return text.replace(UNSEEN, escaped);
}

/** A string as JSON writes it, with whatever cannot be seen made visible. */
export function quoted(text: string): string {
  return visible(JSON.stringify(text));
}

/** The first `max` characters, and a sign where there were more. */
export function cut(text: string, max: number): string {
  return text.length <= max ? text : `${wholeCharacters(text, max - 1)}…`;
}

/** The first `max` UTF-16 units at most, without half of a pair at the end. */
export function wholeCharacters(text: string, max: number): string {
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}

const grouped = new Intl.NumberFormat("en");

/** `1 field`, `1,204 fields`. */
export function counted(count: number, noun: string): string {
  return `${grouped.format(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export function number(count: number): string {
  return grouped.format(count);
}

const UNITS = ["B", "kB", "MB", "GB"];

/** A size on the wire: `812 B`, `1.4 kB`, `16 MB`. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || size >= 9.95 ? 0 : 1;
  return `${size.toFixed(digits)} ${UNITS[unit]}`;
}
