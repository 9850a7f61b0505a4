// Frame times of the list: with 10,000 cards, at rest and while 1,000 changes a second come, beside a list that makes
// an element of each change and keeps as many. scripts/bench page runs it.

import { launchChromium } from "./chromium.mjs";
import { Harness } from "./harness.mjs";

const CARDS = 10_000;
const RATE = Number(process.argv[2] ?? 1_000);
const SECONDS = 10;

/** The times between frames in ms, sorted, while `insert` is called `rate` times a second. */
async function framesOf(page, rate) {
  const times = await page.evaluate(async ([rate, millis]) => {
    const begun = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      for (const due = ((performance.now() - begun) / 1000) * rate; sent < due; sent += 1) insert(1e6 + sent);
    }, 5);
    const times = [];
    for (let last = begun; last - begun < millis; ) {
      const now = await new Promise(requestAnimationFrame);
      times.push(now - last);
      last = now;
    }
    clearInterval(timer);
    return times.slice(5);
  }, [rate, SECONDS * 1000]);
  return times.sort((one, two) => one - two);
}

/** An element for each change, the newest on top: what the list is compared with. */
function plainList() {
  const list = document.createElement("div");
  document.querySelector("main").append(list);
  window.insert = (number) => {
    const pre = document.createElement("pre");
    pre.textContent = JSON.stringify({ _id: `k${number}`, number, status: "new", customer: "Ada", lines: [1, 2, 3] }, null, 2);
    list.prepend(pre);
    if (list.childElementCount > 10_000) list.lastElementChild.remove();
  };
}

const ended = [];
const harness = await Harness.start({ after: (end) => ended.push(end) });
const browser = await launchChromium();
ended.push(() => browser.close());
try {
  const rows = [];
  for (const [name, prepare] of [["the list", undefined], ["an element each", plainList]]) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(`${harness.origin}/?max=${CARDS}`);
    await page.waitForFunction(() => window.insert);
    if (prepare) await page.evaluate(prepare);
    await page.evaluate(async (count) => {
      for (let number = 0; number < count; number += 1_000) {
        for (let one = number; one < number + 1_000; one += 1) insert(one);
        await frames(1);
      }
    }, CARDS);
    for (const rate of [0, RATE]) {
      const times = await framesOf(page, rate);
      const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
      rows.push({ name, "changes/s": rate, frames: times.length, "p50 ms": at(0.5), "p95 ms": at(0.95), "p99 ms": at(0.99), "max ms": times.at(-1) });
    }
    await page.close();
  }
  console.table(rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) =>
    [key, typeof value === "number" ? Math.round(value * 10) / 10 : value]))));
  const [, list, , plain] = rows;
  console.log(`p95 of the list, of that of an element each: ${(list["p95 ms"] / plain["p95 ms"]).toFixed(3)}`);
} finally {
  for (const end of ended.reverse()) await end();
}
