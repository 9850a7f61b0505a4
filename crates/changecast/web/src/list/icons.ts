// The signs of the operations and of what a card can do: outlines on a square of 16.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  insert: "M8 3v10M3 8h10",
  update: "m3 13 .7-2.8 7-7 2.1 2.1-7 7zM9.4 4.5l2.1 2.1",
  replace: "M3 5.5h9.5M10 3l2.5 2.5L10 8M13 10.5H3.5M6 8l-2.5 2.5L6 13",
  delete: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.5 8.5h6l.5-8.5M7 7v3.5M9 7v3.5",
  structure: "m8 2.5 5.5 3L8 8.5l-5.5-3zM2.5 8.5l5.5 3 5.5-3M2.5 11l5.5 3 5.5-3",
  leave: "M6.5 3H3.5v10h3M7 8h6M10.5 5.5 13 8l-2.5 2.5",
  other: "M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  gap: "M8 2.5 14 13H2zM8 6.5v3M8 11.3v.2",
  fold: "m6 4 4 4-4 4",
  menu: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  up: "M8 13V3.5M4 7l4-4 4 4",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "m5 3.5 7 4.5-7 4.5z",
} as const;

export type IconName = keyof typeof PATHS;

const made = new Map<IconName, SVGSVGElement>();

export function icon(name: IconName): Node {
  let original = made.get(name);
  if (!original) {
    original = document.createElementNS(SVG, "svg");
    original.setAttribute("viewBox", "0 0 16 16");
    original.setAttribute("aria-hidden", "true");
    original.setAttribute("class", `icon icon-${name}`);
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", PATHS[name]);
    original.append(path);
    made.set(name, original);
  }
  return original.cloneNode(true);
}
