// The list and its cards.

export const CARD_CSS = `
.cc-list {
  display: flex; flex-direction: column; position: relative; min-width: 0; container-type: inline-size;
  overflow-anchor: none; color: var(--_text); font: 14px/1.5 var(--_sans); text-align: start;
}
.cc-list:focus { outline: none; }
.cc-list[tabindex="0"]:focus-visible { outline: 2px solid var(--_accent); outline-offset: -2px; }
.cc-list *, .cc-list *::before { box-sizing: border-box; }
.cc-list p { margin: 0; }
.cc-list [hidden] { display: none !important; }
.cc-list button { font: inherit; color: inherit; cursor: pointer; }
.cc-list :focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; }
.cc-list .icon {
  flex: none; width: 1em; height: 1em; fill: none; stroke: currentColor;
  stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round;
}
.cc-list .cc-quiet { color: var(--_quiet); font-size: 13px; }
.cc-list .cc-unseen {
  position: absolute; width: 1px; height: 1px; margin: -1px; padding: 0; border: 0; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}

/* Above the cards, though it comes after them, so that the newest card is the list's first element. */
.cc-list > .cc-space { flex: none; margin: 0; }
.cc-list > .cc-above { order: -1; }
.cc-list > .cc-sampling {
  order: -2; flex: none; margin: 0 0 10px; padding: 4px 12px; border: 1px dashed var(--_line); border-radius: 8px;
  color: var(--_amber); font-size: 13px; text-align: center;
}
.cc-list > .cc-bar {
  order: -3; position: sticky; top: var(--cc-top, 10px); z-index: 3; flex: none; height: 0;
  display: flex; justify-content: center; align-items: flex-start; gap: 8px; pointer-events: none;
}
.cc-list .cc-newer, .cc-list .cc-note {
  display: inline-flex; align-items: center; gap: 6px; min-height: 32px; padding: 0 14px; border-radius: 99px; white-space: nowrap;
  font-size: 13px; font-weight: 600; pointer-events: auto; box-shadow: 0 2px 10px rgb(0 0 0 / 22%);
}
.cc-list .cc-newer { border: 1px solid var(--_accent); background: var(--_accent); color: var(--_surface); font-variant-numeric: tabular-nums; }
.cc-list .cc-newer:focus-visible { outline-color: var(--_text); outline-offset: 2px; }
.cc-list .cc-note { border: 1px solid var(--_line); background: var(--_surface); font-weight: 500; }

.cc-list .op-insert { --_tone: var(--_green); }
.cc-list .op-update { --_tone: var(--_blue); }
.cc-list .op-replace { --_tone: var(--_violet); }
.cc-list .op-delete { --_tone: var(--_red); }
.cc-list .op-structure, .cc-list .op-gap { --_tone: var(--_amber); }
.cc-list .op-leave, .cc-list .op-other { --_tone: var(--_slate); }

.cc-list > .card {
  position: relative; flex: none; min-width: 0; margin: 0 0 10px; padding: 0; scroll-margin: 10px;
  background: var(--_surface); border: 1px solid var(--_line); border-left: 3px solid var(--_tone); border-radius: 10px;
  animation: none; box-shadow: none; overflow: visible;
}
.cc-list > .card.selected { border-color: var(--_accent); border-left-color: var(--_tone); box-shadow: 0 0 0 1px var(--_accent); }
.cc-list > .card:focus { outline: none; }
.cc-list > .card:focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; }
.cc-list > .card.has-menu { z-index: 2; }
.cc-list > .op-gap { border-style: dashed; border-left-style: solid; background: color-mix(in srgb, var(--_amber) 5%, var(--_surface)); }

.cc-list .head {
  position: relative; display: flex; align-items: center; gap: 2px 10px; min-height: 40px; padding: 4px 6px 4px 4px; min-width: 0;
}
.cc-list .fold, .cc-list .menu-button {
  flex: none; display: inline-flex; align-items: center; justify-content: center; width: 28px; height: 28px; padding: 0;
  min-height: 0; border: 0; border-radius: 6px; background: none; color: var(--_quiet); font-size: 14px;
}
.cc-list .menu-button { font-size: 18px; }
.cc-list .menu-button .icon { stroke-width: 2.4; }
.cc-list .fold:hover, .cc-list .menu-button:hover, .cc-list .has-menu .menu-button {
  background: color-mix(in srgb, var(--_text) 8%, transparent); color: var(--_text);
}
.cc-list .fold[aria-expanded="true"] .icon { transform: rotate(90deg); }
.cc-list .badge {
  flex: none; display: inline-flex; align-items: center; gap: 5px; margin-left: -6px; padding: 1px 8px 1px 6px;
  color: color-mix(in srgb, var(--_tone) 90%, var(--_text)); background: color-mix(in srgb, var(--_tone) 11%, var(--_surface)); border-radius: 6px;
  font-size: 13px; font-weight: 600; white-space: nowrap;
}
.cc-list .topic, .cc-list .key, .cc-list .event-id {
  min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: isolate;
  font-family: var(--_mono); font-size: 13px;
}
.cc-list .topic { flex: 0 1 auto; color: var(--_quiet); }
.cc-list .key { flex: 0 1 auto; font-weight: 600; }
.cc-list .key:empty { display: none; }
.cc-list .room { flex: 1; }
.cc-list .event-id, .cc-list .size, .cc-list time {
  flex: none; color: var(--_quiet); font: 12px/1.5 var(--_sans); font-variant-numeric: tabular-nums; white-space: nowrap;
}
.cc-list .event-id { flex: 0 9 auto; order: 1; margin-left: auto; font-family: var(--_mono); font-size: 11.5px; }
.cc-list .size { order: 2; }
.cc-list time { order: 3; min-width: 62px; text-align: end; }
.cc-list .menu-button { order: 4; }
.cc-list .room { display: none; }

.cc-list .card-menu {
  position: absolute; z-index: 4; top: calc(100% - 4px); right: 6px; min-width: 9rem; padding: 4px;
  background: var(--_surface); border: 1px solid var(--_line); border-radius: 8px; box-shadow: 0 6px 24px rgb(0 0 0 / 25%);
}
.cc-list .card-menu.above { top: auto; bottom: calc(100% - 4px); }
.cc-list .card-menu::before { content: "Copy as"; display: block; padding: 3px 10px 4px; color: var(--_quiet); font-size: 12px; }
.cc-list .card-menu-item {
  display: block; width: 100%; min-height: 0; padding: 5px 10px; border: 0; border-radius: 5px; background: none;
  font-size: 13px; text-align: start;
}
.cc-list .card-menu-item:hover, .cc-list .card-menu-item:focus-visible {
  background: color-mix(in srgb, var(--_accent) 14%, transparent); outline-offset: -2px;
}

.cc-list .body { padding: 8px 12px 6px 20px; background: var(--_sunken); border-top: 1px solid var(--_line); border-radius: 0 0 9px 5px; }
.cc-list .op-gap .body { background: none; border-top: 0; padding: 0 12px 10px 36px; }
.cc-list .body > :is(.sentence, .cc-quiet, .unavailable) { padding-left: 16px; }
.cc-list .op-gap .body > .cc-quiet { padding-left: 0; }
.cc-list .body > * + * { margin-top: 6px; }
.cc-list .sentence, .cc-list .gap-title, .cc-list .gap-reason { overflow-wrap: anywhere; unicode-bidi: plaintext; }
.cc-list .gap-title { font-weight: 600; }
.cc-list .op-gap .body > * + * { margin-top: 2px; }
.cc-list .unavailable { color: var(--_amber); font-size: 13px; overflow-wrap: anywhere; }
.cc-list .skipped {
  padding: 3px 12px; border-top: 1px dashed var(--_line); color: var(--_amber); font-size: 12px; text-align: center;
}

@media (prefers-reduced-motion: no-preference) {
  .cc-list > .card.arrives { animation: cc-arrive .45s ease-out; }
}
@keyframes cc-arrive { from { opacity: 0; background: color-mix(in srgb, var(--_tone) 22%, var(--_surface)); } }

@container (max-width: 44rem) {
  .cc-list .event-id { display: none; }
  .cc-list .op-gap .event-id { display: block; }
}
@container (max-width: 30rem) {
  .cc-list .head { flex-wrap: wrap; padding-bottom: 6px; }
  .cc-list .head .room { display: block; order: 5; flex: 1 0 100%; }
  .cc-list time { margin-left: auto; min-width: 0; }
  .cc-list .topic, .cc-list .key, .cc-list .op-gap .event-id { order: 6; margin-left: 8px; max-width: calc(100% - 16px); }
  .cc-list .op-gap .event-id { flex-basis: 100%; }
  .cc-list .size { display: none; }
  .cc-list .body { padding-inline: 8px; }
  .cc-list .op-gap .body { padding-left: 12px; }
}
@media (forced-colors: active) {
  .cc-list > .card.selected { outline: 2px solid Highlight; }
}
`;
