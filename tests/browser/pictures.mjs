// Takes the pictures of the page for docs/, from a server with a minute of traffic behind it: node pictures.mjs [FOLDER]

import path from "node:path";
import { fileURLToPath } from "node:url";
import { launchChromium } from "./chromium.mjs";
import { Server } from "./server.mjs";

const FOLDER = process.argv[2] ?? path.join(path.dirname(fileURLToPath(import.meta.url)), "../../docs");
const TRAFFIC_MS = 62_000;
const TICK_MS = 200;
const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1360, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1360, height: 900 } },
  narrow: { colorScheme: "light", viewport: { width: 320, height: 690 }, deviceScaleFactor: 2 },
};

const CUSTOMERS = ["Ada", "Grace", "Linus", "Margaret", "Edsger", "Barbara", "Ken", "Radia"];
const ITEMS = [["Coffee beans, 1 kg", 18.5], ["Notebook, dotted", 6.9], ["Desk lamp", 42], ["Mechanical keyboard", 119], ["Green tea", 7.25]];
const STATUSES = ["new", "paid", "packed", "shipped", "delivered"];
const CITIES = ["Berlin", "Lisbon", "Tromsø", "Kyōto"];

/** The same numbers every time. */
let seed = 7;
function random() {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
}
const anyOf = (list) => list[Math.floor(random() * list.length)];

const open = [];
let number = 1041;

async function insert(server) {
  const key = `order-${number++}`;
  const [item, price] = anyOf(ITEMS);
  const address = { city: anyOf(CITIES), express: random() < 0.3 };
  await server.write("PUT", key, { customer: anyOf(CUSTOMERS), item, quantity: 1 + Math.floor(random() * 4), price, status: "new", address }, "orders");
  open.push({ key, step: 0 });
}

async function update(server) {
  const order = anyOf(open);
  if (!order) return;
  order.step = (order.step + 1) % STATUSES.length;
  await server.write("PATCH", order.key, { status: STATUSES[order.step] }, "orders");
}

async function remove(server) {
  const [order] = open.splice(0, 1);
  if (order) await server.write("DELETE", order.key, undefined, "orders");
}

/** As on a good day: waves of orders, of which most go on to be paid and sent. */
async function tick(server, at) {
  const wave = 1 + Math.sin(at / 4_500) * 0.6 + Math.sin(at / 1_300) * 0.25;
  for (let n = random() * 2 * wave; n > 0.7; n -= 1) await insert(server);
  for (let n = random() * 2.4 * wave; n > 0.5; n -= 1) await update(server);
  if (random() < 0.18) await remove(server);
  if (random() < 0.06) await server.write("PUT", `customer-${Math.floor(random() * 9)}`, { name: anyOf(CUSTOMERS), points: Math.floor(random() * 900) }, "customers");
  if (random() < 0.05) await server.publish("news.weather", { city: anyOf(CITIES), rain: random() < 0.5, temperature: Math.round(random() * 25) });
}

const cleanups = [];
const server = await Server.start({ after: (cleanup) => cleanups.push(cleanup) }, "--publish");
const browser = await launchChromium();
try {
  const pages = {};
  for (const [name, look] of Object.entries(LOOKS)) {
    pages[name] = await (await browser.newContext({ reducedMotion: "reduce", ...look })).newPage();
    await pages[name].goto(server.origin);
  }
  for (let at = 0; at < TRAFFIC_MS; at += TICK_MS) {
    await Promise.all([tick(server, at), new Promise((resolve) => setTimeout(resolve, TICK_MS))]);
  }
  await server.write("PUT", "order-2001", { customer: "Grace", item: "Mechanical keyboard", quantity: 1, price: 119, status: "new", address: { city: "Lisbon", express: true } }, "orders");
  await server.write("PATCH", "order-2001", { status: "paid", quantity: 2 }, "orders");
  await Promise.all(Object.entries(pages).map(async ([name, page]) => {
    await page.waitForFunction(() => document.querySelector("#changes .card .key")?.textContent === "order-2001");
    // The chart and the lag move once a second.
    await page.waitForTimeout(1_000);
    await page.screenshot({ path: path.join(FOLDER, `page-${name}.png`) });
  }));
} finally {
  await browser.close();
  for (const cleanup of cleanups) await cleanup();
}
