// Documents and what changed in them.

export const TREE_CSS = `
.cc-list .tree, .cc-list .diff { font: 13px/20px var(--_mono); min-width: 0; }
.cc-list .tree > .node > .tree-row { padding-left: 16px; }
.cc-list .group { padding-left: 16px; border-left: 1px solid var(--_line); margin-left: 8px; }
.cc-list .group > .node > .tree-row { padding-left: 8px; }
.cc-list .tree-row { position: relative; overflow-wrap: anywhere; border-radius: 4px; }
.cc-list .node { border-radius: 4px; }
.cc-list .node:focus { outline: none; }
.cc-list .node:focus-visible > .tree-row, .cc-list .more:focus-visible { outline: 2px solid var(--_accent); outline-offset: -1px; }
.cc-list .folds > .tree-row { cursor: pointer; }
.cc-list .folds > .tree-row:hover, .cc-list .more:hover { background: color-mix(in srgb, var(--_text) 6%, transparent); }
.cc-list .twist {
  position: absolute; left: 0; top: 0; width: 16px; height: 20px; display: inline-flex; align-items: center; justify-content: center;
  color: var(--_quiet); font-size: 11px;
}
.cc-list .group > .node > .tree-row > .twist { left: -8px; }
.cc-list .folds[aria-expanded="true"] > .tree-row > .twist .icon { transform: rotate(90deg); }
.cc-list .folds[aria-expanded="true"] > .tree-row > .preview { display: none; }
.cc-list .folds[aria-expanded="false"] > .tree-row { display: flex; align-items: baseline; white-space: pre; }
.cc-list .folds > .tree-row > .preview { flex: 0 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: pre; }
.cc-list .folds[aria-expanded="false"] > .tree-row > .name { flex: none; max-width: 60%; overflow: hidden; text-overflow: ellipsis; }
.cc-list .folds[aria-expanded="false"] > .tree-row > .tree-count:not(:empty) { flex: none; margin-left: 8px; }
.cc-list .folds[aria-expanded="false"] > .tree-row > .colon { flex: none; }
.cc-list .name, .cc-list .value, .cc-list .preview { unicode-bidi: isolate; }
.cc-list .name { color: var(--_text); }
.cc-list .colon, .cc-list .preview, .cc-list .arrow { color: var(--_quiet); }
.cc-list .tree-count, .cc-list .type {
  color: var(--_quiet); font: 11px/1 var(--_sans); white-space: nowrap;
}
.cc-list .type { margin-right: 6px; }
.cc-list .value { white-space: pre-wrap; }
.cc-list .more { padding-left: 8px; color: var(--_quiet); cursor: pointer; }
.cc-list .tree > .more { padding-left: 16px; }
.cc-list .longer { margin-left: 6px; color: var(--_quiet); font: 12px/1 var(--_sans); cursor: pointer; text-decoration: underline; text-underline-offset: 2px; }
.cc-list .more:hover, .cc-list .longer:hover { color: var(--_text); }

.cc-list .is-string { color: color-mix(in srgb, var(--_accent) 84%, var(--_text)); }
.cc-list .is-number, .cc-list .is-decimal { color: color-mix(in srgb, var(--_violet) 84%, var(--_text)); }
.cc-list .is-boolean, .cc-list .is-key { color: color-mix(in srgb, var(--_blue) 84%, var(--_text)); }
.cc-list .is-null { color: var(--_quiet); font-style: italic; }
.cc-list .is-objectid { color: color-mix(in srgb, var(--_amber) 84%, var(--_text)); }
.cc-list .is-date { color: color-mix(in srgb, var(--_green) 84%, var(--_text)); }
.cc-list .is-binary, .cc-list .is-code { color: color-mix(in srgb, var(--_slate) 84%, var(--_text)); }
.cc-list .is-regex { color: color-mix(in srgb, var(--_red) 84%, var(--_text)); }

.cc-list .whole, .cc-list .unchanged { color: var(--_quiet); }
.cc-list :is(.whole, .unchanged) > .node > .tree-row > .name { max-width: none; color: var(--_quiet); font-family: var(--_sans); font-size: 12px; }
.cc-list :is(.whole, .unchanged) > .node > .tree-row > :is(.preview, .tree-count, .colon) { display: none; }
.cc-list .touched > .tree-row { background: color-mix(in srgb, var(--_blue) 13%, transparent); }

.cc-list .delta { display: flex; align-items: flex-start; border-radius: 4px; }
.cc-list .delta + .delta { margin-top: 2px; }
.cc-list .sign { flex: none; width: 16px; text-align: center; font-weight: 700; color: var(--_blue); }
.cc-list .delta-added > .sign { color: var(--_green); }
.cc-list .delta-removed > .sign, .cc-list .delta-truncated > .sign { color: var(--_red); }
.cc-list .delta-content { flex: 1; min-width: 0; display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 12px; overflow-wrap: anywhere; }
.cc-list .delta-content > .name { font-weight: 600; min-width: min(9em, 40%); }
.cc-list .sides { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 8px; min-width: 0; }
.cc-list .side { min-width: 0; max-width: 100%; padding: 0 5px; border-radius: 4px; }
.cc-list .before { background: color-mix(in srgb, var(--_red) 9%, transparent); }
.cc-list .after { background: color-mix(in srgb, var(--_green) 10%, transparent); }
.cc-list .stacked { flex-direction: column; align-items: stretch; flex: 1 1 100%; gap: 2px; }
.cc-list .stacked > .arrow { display: none; }
.cc-list .stacked > .side { display: flex; gap: 8px; }
.cc-list .stacked > .side > .tree { flex: 1; }
.cc-list .stacked > .side::before { font-weight: 700; }
.cc-list .stacked > .before::before { content: "−"; color: var(--_red); }
.cc-list .stacked > .after::before { content: "+"; color: var(--_green); }
.cc-list .side > .tree > .node:not(.folds) > .tree-row { padding-left: 0; }
.cc-list .difference { font: 12px/1 var(--_sans); }
`;
