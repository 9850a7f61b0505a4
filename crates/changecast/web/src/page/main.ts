// The live page: puts its parts together. Everything that comes from a database is set as text, never as HTML.

import type { Message, State } from "../client/api/changecast.d.ts";
import { ChangeList } from "../list/change-list.ts";
import { Chart } from "./chart.ts";
import { Choose } from "./choose.ts";
import { Connection } from "./connection.ts";
import { enableCopyButtons } from "./copy.ts";
import { byId } from "./dom.ts";
import { Editor } from "./editor.ts";
import { Fields } from "./fields.ts";
import { Flow } from "./flow.ts";
import { enableDialogs, enableMenu, Keys } from "./keys.ts";
import { Lag } from "./lag.ts";
import { Lost } from "./lost.ts";
import { Sources } from "./sources.ts";
import { SourcesPanel } from "./sources-panel.ts";
import { Throughput } from "./throughput.ts";
import { timeOf } from "./times.ts";
import { TryIt } from "./try.ts";
import { inWords, readView, showsTheSame, type Transport, type View, writeView } from "./view.ts";
import { welcome } from "./welcome.ts";

/** How many past changes the page begins with. */
const CACHE_SIZE = Math.max(1, Number(document.querySelector<HTMLMetaElement>("meta[name=changecast-cache-size]")?.content) || 5);
/** What /sources knows beyond the news: positions, last changes, findings. */
const SOURCES_EVERY_MS = 15_000;

const list = new ChangeList(byId("changes"), { origin: location.origin });
const throughput = new Throughput();
const chart = new Chart(throughput);
const lag = new Lag();
const lost = new Lost();
const fields = new Fields();
const sources = new Sources();
const tryIt = new TryIt(sources);
const editor = new Editor(sources);
const choose = new Choose(CACHE_SIZE, (chosen) => go(chosen));
const panel = new SourcesPanel(sources, (topic) => choose.only(topic));
const connection = new Connection({
  message: onMessage,
  gap: (gap) => {
    list.add({ kind: "gap", id: gap.id, gap, arrival: Date.now() });
    lost.note(gap);
  },
  source: (news) => sources.hear(news),
  state: (state) => {
    const { name } = state;
    const isNowConnected = name === "live" || name === "catching-up";
    if ((isNowConnected && !isConnected) || name === "closed") void sources.load();
    if (name === "closed") void choose.explain();
    welcome(view, state);
    entitle(state);
    isConnected = isNowConnected;
  },
});
const flow = new Flow(list, (isPaused) => (connection.paused = isPaused));

let view: View = readView(location.search);
let isConnected = false;

function onMessage(message: Message): void {
  const arrival = Date.now();
  const { change, topic } = message;
  list.add({ kind: "change", arrival, ...message });
  const time = timeOf(change);
  throughput.add(change.operationType, time ?? arrival, arrival);
  if (time !== undefined && connection.state.name === "live") lag.add(time, arrival);
  if (change.ns) sources.note(topic, arrival);
  tryIt.note(change);
  editor.note(message);
  fields.note(change);
}

/** Follows another view, and puts it into the address. */
function go(chosen: View): void {
  if (writeView(chosen) !== writeView(view)) history.pushState(null, "", `${location.pathname}${writeView(chosen)}`);
  show(chosen);
}

function show(chosen: View): void {
  const isOther = !showsTheSame(chosen, view);
  const isOtherTransport = chosen.transport !== view.transport;
  view = chosen;
  if (isOther) {
    list.clear();
    throughput.clear();
    lost.dismiss();
    flow.draw();
    connection.open(view, begin(view));
  } else if (isOtherTransport) {
    // The same changes by another way: it goes on where it is.
    connection.open(view, connection.position ?? begin(view));
  } else if (connection.state.name === "closed") {
    connection.open(view, connection.position ?? begin(view));
  }
  showTransport();
}

/** For who has many tabs, or looks at none of them. */
function entitle({ name }: State): void {
  const mark = name === "waiting" || name === "closed" ? "⚠ " : "";
  const chosen = inWords(view);
  document.title = `${mark}${chosen === "everything" ? "" : `${chosen} · `}changecast`;
}

const begin = ({ since }: View): string => since || `last:${CACHE_SIZE}`;

function showTransport(): void {
  for (const input of document.querySelectorAll<HTMLInputElement>("input[name=transport]")) {
    input.checked = input.value === view.transport;
  }
}

function switchTransport(transport: Transport): void {
  go({ ...view, transport });
  choose.view = view;
}

sources.onChange = (error) => {
  panel.draw(error);
  tryIt.draw();
  choose.suggest(sources.topics);
};
setInterval(() => document.hidden || connection.state.name === "waiting" || void sources.load(), SOURCES_EVERY_MS);

byId("connection-menu").addEventListener("change", (event) => {
  switchTransport((event.target as HTMLInputElement).value as Transport);
});
addEventListener("popstate", () => {
  const chosen = readView(location.search);
  choose.view = chosen;
  show(chosen);
});

new Keys([
  { keys: ["j", "ArrowDown"], label: "Next change", run: () => list.select(1) },
  { keys: ["k", "ArrowUp"], label: "Previous change", run: () => list.select(-1) },
  { keys: ["g"], label: "Newest change", run: () => list.select("first") },
  { keys: ["G"], label: "Oldest change", run: () => list.select("last") },
  { keys: ["Enter"], label: "Unfold or fold the change", run: () => list.toggle() },
  { keys: ["y"], label: "Copy the change as JSON", run: () => void list.copy("json") },
  { keys: [" "], label: "Pause, resume", run: () => flow.togglePause() },
  { keys: ["c"], label: "Clear the list", run: () => flow.clear() },
  { keys: ["a"], label: "Stick to the top, or not", run: () => flow.toggleStick() },
  { keys: ["t"], label: "Topics", run: () => focusOn("topic-input") },
  { keys: ["o"], label: "Operations", run: () => focusOn("operations") },
  { keys: ["/"], label: "Text", run: () => focusOn("text") },
  { keys: ["m"], label: "Match", run: () => focusOn("match") },
  { keys: ["s"], label: "Where to start", run: () => focusOn("start") },
  { keys: ["x"], label: "Reset what is chosen", run: () => byId("reset").click() },
  { keys: ["w"], label: "SSE or WebSocket", run: () => switchTransport(view.transport === "sse" ? "websocket" : "sse") },
  { keys: ["d"], label: "Drop the connection", run: () => connection.drop() },
  { keys: ["r"], label: "Reconnect now", run: () => connection.reconnect() },
  { keys: ["1"], label: "Throughput over 1 minute", run: () => chart.range("60") },
  { keys: ["2"], label: "Throughput over 10 minutes", run: () => chart.range("600") },
  { keys: ["3"], label: "Throughput over 60 minutes", run: () => chart.range("3600") },
  { keys: ["e"], label: "Edit documents", run: () => editor.show() },
  { keys: ["i"], label: "Insert a document (Try it)", run: () => tryIt.insert() },
  { keys: ["u"], label: "Update the last one", run: () => tryIt.update() },
  { keys: ["Delete"], label: "Delete the last one", run: () => tryIt.delete() },
]);

/** Brings the control, or the first one in it, to where it can be used. */
function focusOn(id: string): void {
  const target = byId(id);
  const folded = target.closest("details");
  if (folded) folded.open = true;
  (target.querySelector("input") ?? target).focus();
}

enableCopyButtons();
enableDialogs();
enableMenu(byId<HTMLDetailsElement>("connection-menu"));
byId("curl-events").textContent = `curl -N ${location.origin}/events`;
// On a small screen the list comes first: what is chosen and watched is told in a line each.
if (matchMedia("(max-width: 60rem)").matches) {
  for (const id of ["choose-panel", "sources-panel", "try"]) byId<HTMLDetailsElement>(id).open = false;
}
choose.view = view;
showTransport();
connection.open(view, begin(view));
