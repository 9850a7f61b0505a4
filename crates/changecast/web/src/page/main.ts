// @ts-nocheck
// The live page: connects to /events, shows the last changes, and lets a newcomer write a few.
// Everything that comes from a database is set as text, never parsed as HTML.

/**
 * @typedef {Record<string, any>} Json
 * @typedef {{_id?: {_data?: string}, operationType: string, ns?: {db?: string, coll?: string}, documentKey?: Json,
 *   wallTime?: Json, fullDocument?: any}} Change
 * @typedef {{scope: "log"|"source", source?: string, from?: string, to?: string, reason: string,
 *   action: "continue"|"refetch"}} Gap
 * @typedef {{name: string, kind?: string, state: "connecting"|"live"|"failed", error?: string|null,
 *   remedy?: string|null, documents?: "off"|"read"|"write"}} Source
 */

const CACHE_SIZE = Math.max(1, Number(metaContent("changecast-cache-size")) || 5);
// Enough to recognise whatever a resumed connection could send again.
const REMEMBERED_ID_COUNT = 2000;
// A card is for reading; beyond this the browser, not the reader, does the work.
const CARD_TEXT_CHARS_MAX = 100_000;
const FORMATTED_CHARS_MAX = 20_000;
const LINE_CHARS_MAX = 64;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/* ---------- DOM ---------- */

/** @param {string} name */
function metaContent(name) {
  return document.querySelector(`meta[name="${name}"]`)?.getAttribute("content");
}

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const button = (id) => /** @type {HTMLButtonElement} */ (byId(id));

/** @param {string} tag @param {string} className @param {(string|Node)[]} children */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/** @param {string} name */
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/* ---------- Connection ---------- */

/** @type {EventSource | undefined} */
let stream;
/** @type {string | undefined} */
let lastId;
let failureCount = 0;
/** @type {number | undefined} */
let countdownTimer;

function connect() {
  clearInterval(countdownTimer);
  stream?.close();
  showConnection("connecting", "Connecting");
  stream = new EventSource(`/events?since=${encodeURIComponent(lastId ?? `last:${CACHE_SIZE}`)}`);
  stream.addEventListener("hello", onHello);
  stream.addEventListener("gap", onGap);
  stream.addEventListener("source", onSource);
  stream.addEventListener("message", onChange);
  stream.addEventListener("error", retryLater);
}

// The browser's own retry gives up for ever on an answer other than 200 and tells nobody when it will try again.
// One retry of our own covers a dropped connection too, and `since` makes it exact.
function retryLater() {
  stream?.close();
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** failureCount++);
  // Jitter, so that a restarted server does not meet all its pages in one instant.
  const retryAt = Date.now() + ceiling * (0.5 + Math.random() / 2);
  const tick = () => {
    const left = retryAt - Date.now();
    if (left <= 0) return connect();
    showConnection("waiting", "Reconnecting", ` in ${Math.ceil(left / 1000)} s`);
  };
  clearInterval(countdownTimer);
  countdownTimer = setInterval(tick, 250);
  tick();
}

/** @param {"connecting"|"live"|"waiting"} state @param {string} word @param {string} countdown */
function showConnection(state, word, countdown = "") {
  byId("connection").dataset.state = state;
  // Rewriting the same word would have a screen reader say it again at every tick.
  if (byId("connection-word").textContent !== word) byId("connection-word").textContent = word;
  byId("countdown").textContent = countdown;
  byId("reconnect").hidden = state !== "waiting";
}

/** @param {MessageEvent} event */
function onHello(event) {
  lastId = event.lastEventId || JSON.parse(event.data).position;
  failureCount = 0;
  showConnection("live", "Live");
  loadSources();
}

/** @param {MessageEvent} event */
function onChange(event) {
  lastId = event.lastEventId;
  /** @type {Change} */
  const change = JSON.parse(event.data);
  const htmlId = base64url(change._id?._data ?? event.lastEventId);
  if (isRepeated(event.lastEventId, htmlId)) return;
  receivedCount += 1;
  trackDocument(change);
  show(() => changeCard(change, htmlId, event.lastEventId, new Date()));
}

/** @param {MessageEvent} event */
function onGap(event) {
  lastId = event.lastEventId || lastId;
  if (isRepeated(`gap ${event.lastEventId} ${event.data}`)) return;
  show(() => gapCard(JSON.parse(event.data)));
}

/** @type {Set<string>} */
const remembered = new Set();

/** @param {string[]} ids */
function isRepeated(...ids) {
  const repeated = ids.some((id) => remembered.has(id));
  ids.forEach((id) => remembered.add(id));
  for (const oldest of remembered) {
    if (remembered.size <= REMEMBERED_ID_COUNT) break;
    remembered.delete(oldest);
  }
  return repeated;
}

/* ---------- The list ---------- */

/** @type {(() => HTMLElement)[]} */
let pending = [];
let receivedCount = 0;

const HIDDEN_DELAY_MS = 250;

// Cards are built once a frame and only for what stays in the list: a burst of thousands costs a handful of cards.
// A page that nobody sees gets no frames, so a timer stands in for them.
/** @param {() => HTMLElement} buildCard */
function show(buildCard) {
  if (pending.length === 0) {
    requestAnimationFrame(showPending);
    setTimeout(showPending, HIDDEN_DELAY_MS);
  }
  pending.push(buildCard);
  if (pending.length > CACHE_SIZE) pending.shift();
}

function showPending() {
  if (pending.length === 0) return;
  const list = byId("changes");
  for (const buildCard of pending) list.prepend(buildCard());
  pending = [];
  while (list.childElementCount > CACHE_SIZE) list.lastElementChild?.remove();
  byId("welcome").hidden = true;
  byId("received").textContent = `the last ${CACHE_SIZE}, newest first · ${receivedCount.toLocaleString("en")} received`;
}

const LOOKS = new Map([
  ...["insert", "update", "replace", "delete"].map((name) => /** @type {const} */ ([name, name])),
  ...["drop", "rename", "dropDatabase", "truncate", "invalidate"].map((name) => /** @type {const} */ ([name, "structure"])),
]);

/** @param {Change} change @param {string} htmlId @param {string} eventId @param {Date} arrival */
function changeCard(change, htmlId, eventId, arrival) {
  const { _id, ...shown } = change;
  const look = LOOKS.get(change.operationType) ?? "other";
  const head = element(
    "header",
    "card-head",
    element("span", "badge", icon(look), change.operationType),
    element("span", "topic", [change.ns?.db, change.ns?.coll].filter(Boolean).join(".")),
    element("span", "key", keyText(change.documentKey)),
    element("span", "event-id", eventId),
    timeElement(wallDate(change) ?? arrival),
  );
  const card = element("div", `card op-${look}`, head, jsonBlock(shown));
  card.id = `change-${htmlId}`;
  return card;
}

/** @param {Gap} gap */
function gapCard(gap) {
  const whose = gap.scope === "source" ? `of source ${gap.source}` : "of the server's log";
  const advice = gap.action === "refetch"
    ? "Documents you fetched earlier may be out of date: fetch them again."
    : "The list goes on with the oldest change that is still there.";
  const range = [gap.from && `after ${gap.from}`, gap.to && `up to ${gap.to}`].filter(Boolean).join(" ");
  return element(
    "div",
    "card op-gap",
    element("header", "card-head", element("span", "badge", icon("gap"), "gap"), element("span", "event-id", range), timeElement(new Date())),
    element("p", "gap-title", `Some changes ${whose} are missing here.`),
    element("p", "gap-reason", gap.reason),
    element("p", "quiet", advice),
  );
}

/** @param {string} text */
function base64url(text) {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
  return btoa(bytes.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {Json | undefined} key */
function keyText(key) {
  const columns = Object.entries(key ?? {});
  if (columns.length === 1) return plainText(columns[0][1]);
  return columns.map(([name, value]) => `${name}=${plainText(value)}`).join(", ");
}

/** @param {any} value */
function plainText(value) {
  if (typeof value === "string") return value;
  return value?.$oid ?? value?.$numberLong ?? JSON.stringify(value);
}

/** @param {Change} change */
function wallDate(change) {
  const wall = change.wallTime?.$date ?? change.wallTime;
  const date = new Date(wall?.$numberLong ? Number(wall.$numberLong) : wall ?? NaN);
  return Number.isNaN(date.valueOf()) ? undefined : date;
}

/** @param {Date} date */
function timeElement(date) {
  const time = /** @type {HTMLTimeElement} */ (element("time", ""));
  time.dateTime = date.toISOString();
  time.title = date.toString();
  time.textContent = date.toLocaleTimeString("en-GB", { fractionalSecondDigits: 3, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return time;
}

/** @param {Json} value */
function jsonBlock(value) {
  const pre = element("pre", "");
  // A long document scrolls inside its card, so the keyboard must reach it.
  pre.tabIndex = 0;
  const text = JSON.stringify(value, null, 2);
  if (text.length <= FORMATTED_CHARS_MAX) pre.append(...highlighted(indented(value)));
  else if (text.length <= CARD_TEXT_CHARS_MAX) pre.textContent = text;
  else pre.textContent = `${text.slice(0, CARD_TEXT_CHARS_MAX)}\n… and ${text.length - CARD_TEXT_CHARS_MAX} more characters`;
  return pre;
}

/** Indented JSON in which whatever is short stays on one line, so that a whole change is seen at a glance.
 * @param {any} value @param {string} margin @returns {string} */
function indented(value, margin = "") {
  const line = JSON.stringify(value, null, 1).replace(/\n */g, " ");
  if (typeof value !== "object" || (margin !== "" && line.length <= LINE_CHARS_MAX)) return line;
  const inner = `${margin}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const parts = Object.entries(value).map(([name, part]) =>
    (open === "[" ? "" : `${JSON.stringify(name)}: `) + indented(part, inner));
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${margin}${close}`;
}

const JSON_TOKEN = /(?<key>"(?:[^"\\]|\\.)*"(?=:))|(?<string>"(?:[^"\\]|\\.)*")|(?<literal>-?\d[\d.eE+-]*|true|false|null)/g;

/** @param {string} text */
function* highlighted(text) {
  let end = 0;
  for (const token of text.matchAll(JSON_TOKEN)) {
    const kind = Object.entries(token.groups ?? {}).find(([, found]) => found !== undefined)?.[0];
    yield text.slice(end, token.index);
    yield element("span", `json-${kind}`, token[0]);
    end = token.index + token[0].length;
  }
  yield text.slice(end);
}

/* ---------- Sources ---------- */

/** @type {Map<string, Source>} */
let sources = new Map();
/** @type {Map<string, Partial<Source>>} */
const heardWhileLoading = new Map();

async function loadSources() {
  heardWhileLoading.clear();
  try {
    const answer = await fetch("/sources");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    /** @type {Source[]} */
    const listed = (await answer.json()).sources;
    // What the stream said meanwhile is newer than this answer.
    sources = new Map(listed.map((source) => [source.name, { ...source, ...heardWhileLoading.get(source.name) }]));
    showSources();
  } catch (error) {
    byId("sources-note").textContent = `The sources could not be loaded: ${error instanceof Error ? error.message : error}.`;
  }
}

/** @param {MessageEvent} event */
function onSource(event) {
  const { source: name, state, error, remedy } = JSON.parse(event.data);
  heardWhileLoading.set(name, { state, error, remedy });
  sources.set(name, { ...sources.get(name), name, state, error, remedy });
  showSources();
}

function showSources() {
  byId("sources").replaceChildren(...[...sources.values()].map(sourceItem));
  byId("sources-note").textContent = sources.size === 0 ? "None is watched yet." : "";
  const store = writableStore();
  byId("try").hidden = byId("terminal-write").hidden = store === undefined;
  if (store) byId("curl-put").textContent = putLine(store);
}

/** @param {Source} source */
function sourceItem(source) {
  const item = element(
    "li",
    "source",
    element("span", "dot", ""),
    element("span", "source-name", source.name),
    element("span", "quiet", source.kind ?? ""),
    element("span", "source-state", source.state),
  );
  item.dataset.state = source.state;
  if (source.error) item.append(element("p", "source-error", source.error));
  if (source.remedy) item.append(element("p", "source-remedy", source.remedy));
  return item;
}

/* ---------- Try it: the embedded document store ---------- */

const STORE_COLLECTION = "test";
const STATUSES = ["new", "paid", "packed", "shipped", "delivered"];
const CUSTOMERS = ["Ada", "Grace", "Linus", "Margaret", "Edsger", "Barbara", "Ken", "Radia"];
const ITEMS = [["Coffee beans, 1 kg", 18.5], ["Notebook, dotted", 6.9], ["Desk lamp", 42], ["Mechanical keyboard", 119], ["Green tea", 7.25]];

const writableStore = () => [...sources.values()].find(({ kind, documents }) => kind === "embedded" && documents === "write");

/** The documents Update and Delete may act on, by key, the latest last.
 * @type {Map<string, any>} */
const knownDocuments = new Map();

/** @param {Source} store @param {string} key */
const documentPath = (store, key) => `/documents/${encodeURIComponent(store.name)}/${STORE_COLLECTION}/${encodeURIComponent(key)}`;

/** @param {Source} store */
const putLine = (store) =>
  `curl -X PUT ${location.origin}${documentPath(store, "hello")} -H content-type:application/json -d '{"hello": "world"}'`;

/** @template T @param {readonly T[]} choices */
const anyOf = (choices) => choices[Math.floor(Math.random() * choices.length)];

/** @param {Change} change */
function trackDocument(change) {
  // The first changes may come before /sources answers, so any source of that collection counts until it does.
  const store = writableStore();
  if (change.ns?.coll !== STORE_COLLECTION || (store && change.ns.db !== store.name)) return;
  const key = change.documentKey?._id;
  if (typeof key !== "string") return;
  knownDocuments.delete(key);
  if (change.operationType !== "delete") knownDocuments.set(key, change.fullDocument);
  if (knownDocuments.size > 100) knownDocuments.delete([...knownDocuments.keys()][0]);
  enableButtons();
}

const latestKey = () => [...knownDocuments.keys()].at(-1);

function enableButtons() {
  button("try-update").disabled = button("try-delete").disabled = knownDocuments.size === 0;
}

function insertOrder() {
  const [item, price] = anyOf(ITEMS);
  const order = { customer: anyOf(CUSTOMERS), item, quantity: 1 + Math.floor(Math.random() * 5), price, status: STATUSES[0] };
  write("PUT", `order-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`, order);
}

function updateLatest() {
  const key = latestKey();
  const step = STATUSES.indexOf(knownDocuments.get(key ?? "")?.status);
  if (key !== undefined) write("PATCH", key, { status: STATUSES[(step + 1) % STATUSES.length] });
}

function deleteLatest() {
  const key = latestKey();
  if (key !== undefined) write("DELETE", key);
}

/** @param {"PUT"|"PATCH"|"DELETE"} method @param {string} key @param {Json} [body] */
async function write(method, key, body) {
  const store = writableStore();
  if (!store) return;
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  try {
    const answer = await fetch(documentPath(store, key), { method, headers: { "content-type": type }, body: JSON.stringify(body) });
    byId("try-note").textContent = answer.ok ? "" : await problemText(answer);
    if (answer.status === 404) knownDocuments.delete(key);
    else if (answer.ok && method === "PUT") knownDocuments.set(key, body);
  } catch {
    byId("try-note").textContent = "The server cannot be reached. Nothing was written.";
  }
  enableButtons();
}

/** @param {Response} answer */
async function problemText(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? problem.title ?? `The server answered ${answer.status}.`;
}

/* ---------- Start ---------- */

/** @param {HTMLButtonElement} copy */
function enableCopy(copy) {
  // Browsers offer the clipboard only on localhost and over HTTPS.
  copy.hidden = navigator.clipboard === undefined;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId(copy.dataset.copies ?? "").textContent ?? "");
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
}

byId("curl-events").textContent = `curl -N ${location.origin}/events`;
document.querySelectorAll("[data-copies]").forEach((copy) => enableCopy(/** @type {HTMLButtonElement} */ (copy)));
byId("reconnect").addEventListener("click", connect);
byId("try-insert").addEventListener("click", insertOrder);
byId("try-update").addEventListener("click", updateLatest);
byId("try-delete").addEventListener("click", deleteLatest);
// A page that is left must not hold a connection: HTTP/1.1 browsers open only six to one server.
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", (event) => event.persisted && connect());
addEventListener("online", () => byId("connection").dataset.state === "waiting" && connect());
connect();
