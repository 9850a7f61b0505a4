// The element's own looks; those of the list come with the list.

const ELEMENT_CSS = `
:host { display: block; height: 26rem; min-width: 0; contain: content; text-align: start; }
:host([hidden]) { display: none; }
.frame { display: flex; flex-direction: column; height: 100%; color: var(--_text); font: 14px/1.5 var(--_sans); }
.frame * { box-sizing: border-box; }
.state {
  flex: none; display: flex; align-items: center; gap: 8px; min-height: 34px; padding: 0 2px 4px 4px; min-width: 0;
  font-size: 13px; --_tone: var(--_amber);
}
.state[data-state="live"] { --_tone: var(--_green); }
.state[data-state="closed"] { --_tone: var(--_red); }
.dot { flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--_tone); }
.word { flex: none; font-weight: 600; color: var(--_tone); }
.detail {
  flex: 0 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  color: var(--_quiet); font-variant-numeric: tabular-nums;
}
.state[data-state="closed"] .detail { white-space: normal; overflow-wrap: anywhere; }
.count { flex: 0 9 auto; min-width: 0; overflow: hidden; white-space: nowrap; margin-left: auto; color: var(--_quiet); font-variant-numeric: tabular-nums; }
.pause {
  flex: none; display: inline-flex; align-items: center; gap: 5px; min-height: 28px; padding: 0 10px; cursor: pointer;
  font: 500 13px/1 var(--_sans); font-variant-numeric: tabular-nums; color: var(--_text);
  background: var(--_surface); border: 1px solid var(--_line); border-radius: 7px;
}
.pause:hover { border-color: currentColor; }
.pause:focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; }
.pause .icon { width: 13px; height: 13px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.empty { margin: 8px 4px; color: var(--_quiet); }
.empty[hidden] { display: none; }
.list { flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; padding: 2px; scrollbar-width: thin; }
@media (prefers-reduced-motion: no-preference) {
  .state[data-state="connecting"] .dot { animation: breathe 1.2s ease-in-out infinite alternate; }
}
@keyframes breathe { to { opacity: .25; } }
`;

let sheet: CSSStyleSheet | undefined;

export function adoptElementStyle(root: ShadowRoot): void {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(ELEMENT_CSS);
  }
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
