// The looks of the list: a style sheet made by script, which no Content-Security-Policy of a page around it forbids.
//
// Colours and fonts are custom properties (`--cc-…`); these are what they are unless a page sets them.

import { CARD_CSS } from "./style-card.ts";
import { TREE_CSS } from "./style-tree.ts";

const LIGHT = {
  surface: "#ffffff", sunken: "#f6f7f9", line: "#dfe3e8", text: "#1a2027", quiet: "#566270", accent: "#0f766e",
  green: "#15803d", blue: "#1d4ed8", violet: "#6d28d9", red: "#b91c1c", amber: "#92540a", slate: "#475569",
};
const DARK: typeof LIGHT = {
  surface: "#161b21", sunken: "#11161b", line: "#2a323b", text: "#e4e8ed", quiet: "#95a1af", accent: "#2dd4bf",
  green: "#4ade80", blue: "#7db3ff", violet: "#b79dff", red: "#ff8585", amber: "#f5b94f", slate: "#a3b1c2",
};
const FONTS = {
  mono: `ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace`,
  sans: `system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif`,
};

/** Inside, `--_name` is the page's `--cc-name`, or else ours. */
const properties = (values: Record<string, string>): string =>
  Object.entries(values).map(([name, value]) => `--_${name}: var(--cc-${name}, ${value});`).join(" ");

const THEMES = `
.cc-theme { color-scheme: light dark; ${properties({ ...LIGHT, ...FONTS })} }
@media (prefers-color-scheme: dark) { .cc-theme { ${properties(DARK)} } }
.cc-theme[data-theme="light"] { color-scheme: light; ${properties(LIGHT)} }
.cc-theme[data-theme="dark"] { color-scheme: dark; ${properties(DARK)} }
`;

let sheet: CSSStyleSheet | undefined;

/** An element of this class has the colours for all within it. */
export const THEME_CLASS = "cc-theme";

/** Gives the list's looks to the document or the shadow root that `node` is in, or is going to be in. */
export function adoptListStyle(node: Node): void {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(THEMES + CARD_CSS + TREE_CSS);
  }
  const root = node.getRootNode();
  const scope = root instanceof ShadowRoot ? root : document;
  if (!scope.adoptedStyleSheets.includes(sheet)) scope.adoptedStyleSheets = [...scope.adoptedStyleSheets, sheet];
}
