// The list of changes in a real browser, under the live page's policy: what it shows, how it flows, what it never does.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { launchChromium } from "./chromium.mjs";
import { Harness } from "./harness.mjs";
import { ALL_TYPES, GAPS, ORDER, SAMPLES } from "./samples.mjs";
import { ATTACKS } from "./xss.mjs";

const WAIT_MS = 15_000;
const TEST_LIMIT = { timeout: 120_000 };
const SCREENSHOTS = process.env.CHANGECAST_SCREENSHOTS;

let browser;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/** A page with a list; it fails its test on a foreign request, an error or a violation of the policy. */
async function openList(t, { max, ...options } = {}) {
  const harness = await Harness.start(t);
  const context = await browser.newContext({ viewport: { width: 1000, height: 900 }, permissions: ["clipboard-read", "clipboard-write"], ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("request", (request) => request.url().startsWith(harness.origin) || faults.push(`foreign request: ${request.url()}`));
  page.on("pageerror", (error) => faults.push(`script error: ${error}`));
  page.on("console", (message) => message.type() === "error" && faults.push(`console: ${message.text()}`));
  page.on("dialog", (dialog) => faults.push(`dialog: ${dialog.message()}`));
  await context.exposeBinding("reportViolation", (_, violation) => faults.push(`policy violation: ${violation}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
  });
  t.after(() => context.close());
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(`${harness.origin}/${max ? `?max=${max}` : ""}`);
  await page.waitForFunction(() => window.list);
  page.assertClean = () => assert.deepEqual(faults, []);
  return page;
}

const card = (page, number = 0) => page.locator("#changes > .card").nth(number);
const shown = (page, list) => page.evaluate((changes) => changes.forEach((one) => change(one)), list).then(() => settled(page));
const settled = (page) => page.evaluate(() => frames(12));
const insertMany = (page, from, to) => page.evaluate(([first, end]) => {
  for (let number = first; number < end; number += 1) insert(number);
}, [from, to]).then(() => settled(page));
const keys = (page) => page.locator("#changes > .card .key").allTextContents();
const counts = (page) => page.evaluate(() => ({
  received: list.received, shown: list.shown, sampledOut: list.sampledOut, waiting: list.waiting, isPaused: list.isPaused, sticks: list.stickToTop,
}));

/* ---------- Cards ---------- */

describe("cards", () => {
  test("tell operation, topic, key, time and size", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    const id = await page.evaluate((one) => change(one), SAMPLES.at(-1));
    await settled(page);
    const insert = card(page);
    assert.equal(await insert.locator(".badge").textContent(), "insert");
    assert.match(await insert.getAttribute("class"), /\bop-insert\b/);
    assert.equal(await insert.locator(".badge svg").count(), 1);
    assert.equal(await insert.locator(".topic").textContent(), "shop.orders");
    assert.equal(await insert.locator(".key").textContent(), ORDER._id.$oid);
    assert.equal(await insert.locator(".event-id").textContent(), id);
    assert.match(await insert.locator(".size").textContent(), /^\d+ B$/);
    assert.equal(await insert.locator("time").getAttribute("datetime"), SAMPLES.at(-1).wallTime.$date);
    assert.match(await insert.locator("time").getAttribute("title"), /\d\d:\d\d:\d\d\.\d{3}/);
    assert.match(await insert.locator("time").textContent(), /^(now|\d+ (s|min) ago)$/);
    assert.equal(await insert.getAttribute("id"), `change-${Buffer.from(SAMPLES.at(-1)._id._data).toString("base64url")}`);
    page.assertClean();
  });

  test("tell each operation in its own look and in words", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await shown(page, SAMPLES);
    const badges = await page.locator("#changes > .card .badge").allTextContents();
    assert.deepEqual(badges.reverse().slice(-10), SAMPLES.slice(-10).map(({ operationType }) => operationType));
    const bodies = (operation) => page.locator(".card", { has: page.locator(".badge", { hasText: new RegExp(`^${operation}$`) }) }).locator(".body").first().textContent();
    assert.match(await bodies("drop"), /The collection shop\.old_orders was dropped/);
    assert.match(await bodies("rename"), /The collection shop\.orders is now shop\.orders_2026/);
    assert.match(await bodies("leave"), /no longer matches the filter/);
    assert.match(await bodies("delete"), /cancelled/);
    for (const [operation, words] of [["invalidate", /ended here/], ["truncate", /emptied/], ["dropDatabase", /database shop was dropped/]]) {
      await shown(page, [{ operationType: operation, ns: { db: "shop" } }]);
      assert.match(await card(page).locator(".body").textContent(), words);
    }
    await shown(page, [{ operationType: "somethingNew", ns: { db: "shop", coll: "a" }, detail: { deep: [1] } }]);
    assert.match(await card(page).getAttribute("class"), /\bop-other\b/);
    assert.match(await card(page).locator(".body").textContent(), /somethingNew/);
    page.assertClean();
  });

  test("show the types of Extended JSON as what they are", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await shown(page, [{ operationType: "insert", ns: { db: "a", coll: "b" }, documentKey: { _id: 1 }, fullDocument: ALL_TYPES }]);
    await page.locator(".more").click();
    const rows = await page.locator("#changes .tree").first().locator(".node > .tree-row").allTextContents();
    const row = (name) => rows.find((text) => text.startsWith(`${name}: `)).slice(name.length + 2);
    assert.equal(row("_id"), "ObjectId65a2f0c2f7f7f01e5c00abcd");
    assert.equal(row("text"), String.raw`"plain, with “quotes” and a\nline break"`);
    assert.equal(row("long"), "Long9007199254740993");
    assert.equal(row("decimal"), "Decimal1280.10000000000000000000000000000001");
    assert.equal(row("notANumber"), "DoubleNaN");
    assert.equal(row("date"), "Date2024-01-13 15:56:51.123Z");
    assert.equal(row("farDate"), "Date0001-01-01 00:00:00.000Z");
    assert.equal(row("timestamp"), "Timestamp2024-01-13 15:56:51Z · 3");
    assert.equal(row("uuid"), "UUID73ffd264-44b3-4c69-90e8-e7d1dfc035d4");
    assert.equal(row("binary"), "Binary11 bytes aGVsbG8gd29ybGQ=");
    assert.equal(row("regex"), String.raw`Regex/^shop\./i`);
    assert.deepEqual([row("min"), row("max"), row("nothing"), row("boolean")], ["MinKey", "MaxKey", "null", "true"]);
    assert.match(row("reference"), /^DBRefshop\.orders 65a2/);
    assert.match(await page.locator(".is-objectid").first().getAttribute("title"), /ObjectId, made at 2024-01-13T/);
    page.assertClean();
  });

  test("a wrapping that is not Extended JSON is a document like any other", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    const odd = [{ $oid: "no hex" }, { $oid: ORDER._id.$oid, more: 1 }, { $date: {} }, { $binary: 7 }, { $timestamp: null }, { $minKey: 2 }, { $numberLong: {} },
      { $regularExpression: "x" }, { $ref: 1, $id: 2 }, { $date: null }];
    await shown(page, [{ operationType: "insert", ns: { db: "a", coll: "b" }, documentKey: { _id: 1 }, fullDocument: { odd } }]);
    const text = await card(page).textContent();
    assert.match(text, /10 items/);
    await page.locator(".folds", { hasText: "odd" }).first().locator(".tree-row").first().click();
    assert.equal(await page.locator(".tree").first().locator(".group > .node.folds").count(), odd.length);
    page.assertClean();
  });

  test("what a source did not send is said", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await shown(page, SAMPLES.filter(({ unavailable }) => unavailable));
    assert.match(await card(page).locator(".unavailable").textContent(), /^Not sent by the source: fullDocument\.manual, fullDocument\.picture$/);
    await shown(page, [{ operationType: "update", ns: { db: "a", coll: "b" }, documentKey: { _id: 1 } }]);
    assert.match(await card(page).locator(".body").textContent(), /The source did not send the document/);
    page.assertClean();
  });

  test("gaps stand where they happened, with reason and advice", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 1);
    await page.evaluate((gaps) => gaps.forEach((one) => gap(one)), GAPS);
    await insertMany(page, 1, 2);
    assert.deepEqual(await page.locator("#changes > .card .badge").allTextContents(), ["insert", "gap", "gap", "insert"]);
    assert.match(await card(page, 2).textContent(), /Some changes of source shop are missing here\..*no longer reaches back.*fetch them again/);
    assert.match(await card(page, 1).textContent(), /of the server's log are missing here\..*keeps changes for 24 hours.*goes on with the oldest/);
    assert.match(await card(page, 1).locator(".event-id").textContent(), /^after abcdefgh-2 up to abcdefgh-900$/);
    page.assertClean();
  });
});

/* ---------- Differences ---------- */

describe("an update", () => {
  const deltas = async (page) => {
    const rows = await page.locator("#changes > .card").first().locator(".delta").all();
    return Promise.all(rows.map(async (row) => [
      await row.locator(".sign").getAttribute("aria-label"),
      await row.locator(".delta-content > .name").textContent(),
      ...(await row.locator(".side").allTextContents()),
    ]));
  };
  const update = (extra) => ({ operationType: "update", ns: { db: "a", coll: "b" }, documentKey: { _id: 1 }, ...extra });

  test("shows before and after where the source sent both", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    const before = { _id: 1, same: 1, count: 7, gone: true, nested: { a: 1, b: { c: "x" } }, list: [1, 2, 3, 4], date: { $date: "2026-01-01T00:00:00Z" }, kind: 1 };
    const now = { _id: 1, same: 1, count: 9, nested: { a: 1, b: { c: "y" } }, list: [1, 9, 2, 3, 4], date: { $date: "2027-01-01T00:00:00Z" }, kind: [1], new: null };
    await shown(page, [update({ fullDocumentBeforeChange: before, fullDocument: now, updateDescription: { updatedFields: { misleading: 1 } } })]);
    assert.deepEqual(await deltas(page), [
      ["changed", "count", "7", "9"],
      ["changed", "nested.b.c", '"x"', '"y"'],
      ["added", "list.1", "9"],
      ["changed", "date", "Date2026-01-01 00:00:00Z", "Date2027-01-01 00:00:00Z"],
      ["changed", "kind", "1", "[1]"],
      ["added", "new", "null"],
      ["removed", "gone", "true"],
    ]);
    assert.match(await card(page).textContent(), /\+2/);
    const unchanged = page.locator(".unchanged .node").first();
    assert.match(await unchanged.textContent(), /^document · 2 fields unchanged/);
    await unchanged.locator(".tree-row").click();
    const touched = await page.locator(".unchanged .touched > .tree-row > .name").allTextContents();
    assert.deepEqual(touched, ["count", "c", "1", "date", "kind", "new"]);
    page.assertClean();
  });

  test("shows its description where the source sent no more", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await shown(page, [update({ updateDescription: {
      updatedFields: { status: "paid", "lines.0.quantity": 3 }, removedFields: ["note"], truncatedArrays: [{ field: "history", newSize: 10 }],
    } })]);
    assert.deepEqual(await deltas(page), [["set", "status", '"paid"'], ["set", "lines.0.quantity", "3"], ["removed", "note"], ["cut short", "history"]]);
    assert.match(await card(page).textContent(), /cut to 10 items/);
    page.assertClean();
  });

  test("of any shape breaks nothing", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    const odd = [null, 7, "x", [], { updatedFields: 7, removedFields: {}, truncatedArrays: "x" }, { updatedFields: null, removedFields: [null, {}], truncatedArrays: [null, 1] }];
    await shown(page, odd.map((updateDescription) => update({ updateDescription })));
    await shown(page, odd.map((value) => update({ fullDocument: value, fullDocumentBeforeChange: value })));
    await shown(page, odd.map((value) => ({ operationType: value, ns: value, documentKey: value, wallTime: value, clusterTime: value, _id: value, unavailable: value })));
    await shown(page, [{}, { operationType: "insert", fullDocument: 7 }, { operationType: "insert", wallTime: { $date: 1e300 } }, { operationType: "delete", documentKey: {} }]);
    assert.equal((await counts(page)).shown, 22);
    page.assertClean();
  });

  test("of a large document is compared up to a point, and says so", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await page.evaluate(() => {
      const many = (offset) => Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`f${index}`, index + offset]));
      change({ operationType: "update", ns: { db: "a", coll: "b" }, documentKey: { _id: 1 }, fullDocumentBeforeChange: many(0), fullDocument: many(1) });
    });
    await settled(page);
    assert.match(await card(page).textContent(), /… and more: see the document/);
    assert.ok(await page.locator(".delta").count() < 100);
    page.assertClean();
  });
});

/* ---------- The tree ---------- */

describe("a document", () => {
  test("opens and closes by mouse and by keyboard, and stays so when it was out of sight", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await shown(page, [{ operationType: "insert", ns: { db: "a", coll: "b" }, documentKey: { _id: 1 }, fullDocument: ALL_TYPES }]);
    await page.locator(".more").click();
    const node = page.locator(".node.folds", { hasText: "nested" }).first();
    assert.equal(await node.getAttribute("aria-expanded"), "false");
    await node.locator(".tree-row").first().click();
    assert.equal(await node.getAttribute("aria-expanded"), "true");

    await page.locator(".tree .node").first().focus();
    await page.keyboard.press("End");
    const focused = () => page.evaluate(() => document.activeElement.querySelector(".name")?.textContent);
    assert.equal(await focused(), "a");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(), "b");
    for (let times = 0; times < 3; times += 1) await page.keyboard.press("ArrowLeft");
    assert.equal(await focused(), "nested");
    await page.keyboard.press("Home");
    assert.equal(await focused(), "_id");
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(), "text");

    await page.evaluate(() => (list.stickToTop = true));
    await insertMany(page, 0, 200);
    assert.equal(await page.locator(".node", { hasText: "nested" }).count(), 0);
    await page.evaluate(() => list.select("last"));
    await settled(page);
    assert.equal(await page.locator(".node.folds", { hasText: "nested" }).first().getAttribute("aria-expanded"), "true");
    page.assertClean();
  });

  test("of 16 MB costs what is looked at of it", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await page.evaluate(() => {
      const fullDocument = { text: "x".repeat(8_000_000), fields: Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`field ${index}`, index])), items: Array.from({ length: 300_000 }, (_, index) => index) };
      change({ operationType: "insert", ns: { db: "a", coll: "b" }, documentKey: { _id: 1 }, fullDocument });
    });
    await settled(page);
    const elements = () => page.locator("#changes *").count();
    assert.ok(await elements() < 200);
    assert.match(await card(page).locator(".size").textContent(), /^1\d MB$/);
    await page.locator(".node.folds", { hasText: "items" }).first().locator(".tree-row").first().click();
    assert.match(await page.locator(".more").textContent(), /^… 299,984 more items$/);
    await page.locator(".more").click();
    assert.match(await page.locator(".more").textContent(), /^… 299,884 more items$/);
    await page.locator(".longer").click();
    assert.match(await page.locator(".longer").textContent(), /^… 7,979,760 characters more$/);
    assert.ok(await elements() < 2_000);
    page.assertClean();
  });
});

/* ---------- Copying ---------- */

describe("copying", () => {
  const copied = async (page, kind) => {
    await card(page).locator(".menu-button").click();
    await page.getByRole("menuitem", { name: kind, exact: true }).click();
    await page.locator(".cc-note", { hasText: `Copied: ${kind}` }).waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  };

  test("as JSON, id, curl, JavaScript, Python and Rust", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await shown(page, [SAMPLES.at(-1)]);
    assert.deepEqual(JSON.parse(await copied(page, "JSON")), SAMPLES.at(-1));
    assert.equal(await copied(page, "id"), "abcdefgh-1");
    const url = "http://127.0.0.1:8888/events?topic=shop.orders&since=abcdefgh-1";
    assert.equal(await copied(page, "curl"), `curl -N '${url}'`);
    assert.match(await copied(page, "JavaScript"), /follow\("http:\/\/127\.0\.0\.1:8888", \{ topics: \["shop\.orders"\], since: "abcdefgh-1" \}\)/);
    for (const kind of ["Python", "Rust"]) assert.ok((await copied(page, kind)).includes(`"${url}"`));
    page.assertClean();
  });

  test("gives lines in which nothing hostile runs", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    for (const attack of [...ATTACKS, "a\nb", "\ud83d\ude00 \ud800", "a'b\"c`d$(e)!f"]) {
      await page.evaluate((topic) => change({ operationType: "insert" }, topic), attack);
      await page.evaluate(() => (list.stickToTop = true));
      await settled(page);
      const line = await copied(page, "curl");
      assert.match(line, /^curl -N '[\x21-\x26\x28-\x7e]+'$/);
      const words = execFileSync("bash", ["-c", `printf '%s\\n' ${line}`], { encoding: "utf8" }).split("\n");
      const topic = new URL(words[2]).searchParams.get("topic");
      assert.equal(topic, attack.toWellFormed());
      const program = await copied(page, "JavaScript");
      assert.match(program, /^[\x20-\x7e\n]*$/);
      const literal = program.match(/topics: \[(".*")\], since/)[1];
      assert.equal(new Function(`return ${literal}`)(), attack);
    }
    page.assertClean();
  });

  test("by the keyboard: the menu opens, moves, closes, and gives the focus back", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 2);
    const opener = card(page).locator(".menu-button");
    await opener.focus();
    await page.keyboard.press("Enter");
    assert.equal(await opener.getAttribute("aria-expanded"), "true");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "id");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Rust");
    await page.keyboard.press("Escape");
    assert.equal(await opener.getAttribute("aria-expanded"), "false");
    assert.ok(await opener.evaluate((button) => button === document.activeElement));
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.locator(".cc-note", { hasText: "Copied: id" }).waitFor();
    assert.equal(await page.getByRole("menu").count(), 0);
    page.assertClean();
  });

  test("without the clipboard's interface, too", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 1);
    await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true }));
    await card(page).locator(".menu-button").click();
    await page.getByRole("menuitem", { name: "id", exact: true }).click();
    await page.locator(".cc-note", { hasText: "Copied: id" }).waitFor();
    await page.evaluate(() => delete navigator.clipboard);
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "abcdefgh-1");
    page.assertClean();
  });
});

/* ---------- Flow ---------- */

describe("the flow", () => {
  test("ten thousand cards cost the elements of those in sight", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 12_000);
    assert.deepEqual(await counts(page), { received: 12_000, shown: 10_000, sampledOut: 0, waiting: 0, isPaused: false, sticks: true });
    assert.ok(await page.locator("#changes > .card").count() < 60);
    page.assertClean();
  });

  test("whoever goes through the list from screen to screen meets each card once", TEST_LIMIT, async (t) => {
    const page = await openList(t, { max: 1_000 });
    await insertMany(page, 0, 1_500);
    const met = await page.evaluate(async () => {
      const seen = [];
      for (;;) {
        const before = seen.length;
        for (const card of document.querySelectorAll("#changes > .card")) {
          const number = Number(card.querySelector(".key").textContent.slice(1));
          if (number < (seen.at(-1) ?? Infinity)) seen.push(number);
        }
        if (seen.length === before && scrollY + innerHeight >= document.documentElement.scrollHeight - 2) return seen;
        scrollBy(0, innerHeight);
        await frames(1);
      }
    });
    assert.deepEqual(met, Array.from({ length: 1_000 }, (_, index) => 1_499 - index));
    page.assertClean();
  });

  test("at the top, new cards come in; further down nothing moves, and a button leads back", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 300);
    assert.equal((await keys(page))[0], "k299");
    await insertMany(page, 300, 301);
    assert.equal((await keys(page))[0], "k300");

    await page.mouse.move(500, 500);
    await page.mouse.wheel(0, 5_000);
    await page.waitForFunction(() => !list.stickToTop && scrollY > 4_000);
    await settled(page);
    const inSight = () => page.evaluate(() => {
      const first = [...document.querySelectorAll("#changes > .card")].find((card) => card.getBoundingClientRect().bottom > 0);
      return [first.querySelector(".key").textContent, Math.round(first.getBoundingClientRect().top)];
    });
    const before = await inSight();
    await insertMany(page, 301, 400);
    assert.deepEqual(await inSight(), before);
    assert.deepEqual(await counts(page), { received: 400, shown: 301, sampledOut: 0, waiting: 99, isPaused: false, sticks: false });
    // Nor when what is above is drawn for the first time.
    await page.mouse.wheel(0, -900);
    await page.waitForFunction(() => scrollY < 4_500);
    await settled(page);

    const newer = page.locator(".cc-newer");
    assert.equal(await newer.textContent(), "99 new");
    await newer.click();
    await settled(page);
    assert.equal((await keys(page))[0], "k399");
    assert.ok(await newer.isHidden());
    assert.equal((await counts(page)).sticks, true);
    page.assertClean();
  });

  test("a way back to the top by scrolling lets new cards in", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 100);
    await page.evaluate(() => scrollTo(0, 3_000));
    await page.waitForFunction(() => !list.stickToTop);
    await insertMany(page, 100, 110);
    await page.evaluate(() => scrollTo(0, 0));
    await page.waitForFunction(() => list.stickToTop && list.waiting === 0);
    await settled(page);
    assert.equal((await keys(page))[0], "k109");
    page.assertClean();
  });

  test("what is touched stays, until the reader goes on elsewhere", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 3);
    await card(page).locator(".fold").click();
    assert.match(await card(page).getAttribute("class"), /\bfolded\b/);
    await insertMany(page, 3, 5);
    assert.deepEqual(await keys(page), ["k2", "k1", "k0"]);
    assert.equal(await page.locator(".cc-newer").textContent(), "2 new");
    await page.locator("h1").click();
    await page.waitForFunction(() => list.waiting === 0);
    await settled(page);
    assert.deepEqual(await keys(page), ["k4", "k3", "k2", "k1", "k0"]);
    assert.match(await card(page, 2).getAttribute("class"), /\bfolded\b/);

    await card(page, 0).locator(".fold").focus();
    await insertMany(page, 5, 6);
    assert.equal((await counts(page)).waiting, 1);
    await page.keyboard.press("Escape");
    await settled(page);
    assert.equal((await keys(page))[0], "k5");
    page.assertClean();
  });

  test("pauses, counts, resumes without a hole, and clears", TEST_LIMIT, async (t) => {
    const page = await openList(t, { max: 50 });
    await insertMany(page, 0, 3);
    await page.evaluate(() => list.pause());
    await insertMany(page, 3, 10);
    assert.deepEqual(await keys(page), ["k2", "k1", "k0"]);
    assert.deepEqual(await counts(page), { received: 10, shown: 3, sampledOut: 0, waiting: 7, isPaused: true, sticks: true });
    await page.evaluate(() => list.resume());
    await settled(page);
    assert.deepEqual(await keys(page), Array.from({ length: 10 }, (_, index) => `k${9 - index}`));

    // More than is kept: what was shown before has been overtaken as a whole.
    await page.evaluate(() => list.pause());
    await insertMany(page, 10, 90);
    assert.equal((await counts(page)).waiting, 80);
    await page.evaluate(() => list.resume());
    await page.evaluate(() => list.select("last"));
    await settled(page);
    assert.equal((await keys(page)).at(-1), "k40");
    assert.equal((await counts(page)).shown, 50);

    await page.evaluate(() => list.clear());
    await settled(page);
    assert.deepEqual(await keys(page), []);
    assert.deepEqual(await counts(page), { received: 0, shown: 0, sampledOut: 0, waiting: 0, isPaused: false, sticks: true });
    await insertMany(page, 0, 1);
    assert.deepEqual(await keys(page), ["k0"]);
    page.assertClean();
  });

  test("the selection moves, folds and copies", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await insertMany(page, 0, 500);
    const selected = () => page.locator(".card.selected .key").textContent();
    await page.evaluate(() => list.select(1));
    assert.equal(await selected(), "k499");
    await page.evaluate(() => list.select(1));
    assert.equal(await selected(), "k498");
    await insertMany(page, 500, 510);
    assert.equal(await selected(), "k498");
    await page.evaluate(() => list.select("last"));
    await settled(page);
    assert.equal(await selected(), "k0");
    assert.ok(await page.evaluate(() => {
      const { top, bottom } = document.querySelector(".card.selected").getBoundingClientRect();
      return document.activeElement.matches(".selected") && top >= 0 && bottom <= innerHeight;
    }));
    await page.evaluate(() => list.select(-1));
    assert.equal(await selected(), "k1");
    await page.evaluate(() => list.toggle());
    assert.match(await page.locator(".card.selected").getAttribute("class"), /\bfolded\b/);
    await page.evaluate(() => list.copy("id"));
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "abcdefgh-2");
    await page.evaluate(() => list.select("first"));
    await settled(page);
    assert.equal(await selected(), "k509");

    // In an empty list there is nothing to hold.
    await page.evaluate(() => {
      list.clear();
      list.select(1);
      list.toggle();
    });
    await insertMany(page, 0, 1);
    assert.deepEqual(await keys(page), ["k0"]);
    page.assertClean();
  });

  test("when more comes than can be shown it samples, says so, and keeps every gap", TEST_LIMIT, async (t) => {
    const page = await openList(t, { max: 500 });
    await page.evaluate((one) => {
      for (let number = 0; number < 50_000; number += 1) {
        insert(number);
        if (number % 10_000 === 9_999) gap(one);
      }
    }, GAPS[0]);
    await settled(page);
    const { received, shown, sampledOut } = await counts(page);
    assert.equal(received, 50_000);
    assert.ok(sampledOut > 40_000, `only ${sampledOut} left out`);
    assert.equal(shown, Math.min(500, received - sampledOut + 5));
    assert.match(await page.locator(".cc-sampling").textContent(), /^more than can be shown: showing 1 of \d+/);
    assert.ok(await page.locator(".skipped").count() > 0);
    // Each card says how many were left out before it: nothing is lost without a word.
    const [key, words] = await card(page).evaluate((node) => [node.querySelector(".key")?.textContent, node.querySelector(".skipped")?.textContent]);
    if (key && words) assert.match(words, /^[\d,]+ changes? before this one not shown$/);
        page.assertClean();
  });

  test("a thousand a second are all shown", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await page.evaluate(async () => {
      const start = performance.now();
      for (let number = 0; number < 3_000; ) {
        const due = performance.now() - start;
        while (number < due && number < 3_000) insert(number++);
        await frames(1);
      }
    });
    await settled(page);
    const { received, shown, sampledOut } = await counts(page);
    assert.deepEqual({ received, shown, sampledOut }, { received: 3_000, shown: 3_000, sampledOut: 0 });
    assert.equal((await keys(page))[0], "k2999");
    page.assertClean();
  });

  test("a screen reader is told now and then, not of every card", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    const log = page.locator("#changes");
    assert.equal(await log.getAttribute("role"), "log");
    assert.equal(await log.getAttribute("aria-live"), "off");
    await insertMany(page, 0, 40);
    const told = page.locator(".cc-unseen[aria-live=polite]");
    await told.filter({ hasText: "40 new changes. The last: insert shop.orders k39" }).waitFor({ state: "attached" });
    await page.evaluate((one) => gap(one), GAPS[0]);
    await told.filter({ hasText: "Some changes of source shop are missing here" }).waitFor({ state: "attached" });
    page.assertClean();
  });

  test("100,000 changes do not make memory grow", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    const cdp = await page.context().newCDPSession(page);
    const used = async () => {
      await settled(page);
      for (let times = 0; times < 3; times += 1) await cdp.send("HeapProfiler.collectGarbage");
      const { usedSize } = await cdp.send("Runtime.getHeapUsage");
      const { nodes, jsEventListeners } = await cdp.send("Memory.getDOMCounters");
      return { usedSize, nodes, jsEventListeners };
    };
    const feed = async (from, to) => {
      for (let number = from; number < to; number += 1_000) await page.evaluate(async (first) => {
        for (let one = first; one < first + 1_000; one += 1) insert(one);
        await frames(1);
      }, number);
    };
    await feed(0, 20_000);
    const early = await used();
    await feed(20_000, 100_000);
    const late = await used();
    t.diagnostic(`after 20,000: ${JSON.stringify(early)}, after 100,000: ${JSON.stringify(late)}`);
    assert.ok(late.usedSize < early.usedSize * 1.1, `${early.usedSize} bytes grew to ${late.usedSize}`);
    assert.ok(late.nodes < early.nodes * 1.2 + 200, `${early.nodes} nodes grew to ${late.nodes}`);
    assert.ok(late.jsEventListeners <= early.jsEventListeners + 10);
    page.assertClean();
  });

  test("large changes push out older ones, however few they are", TEST_LIMIT, async (t) => {
    const page = await openList(t);
    await page.evaluate(async () => {
      for (let number = 0; number < 60; number += 1) {
        change({ operationType: "insert", ns: { db: "a", coll: "b" }, documentKey: { _id: number }, fullDocument: { text: String(number % 10).repeat(4_000_000) } });
        await frames(1);
      }
    });
    await settled(page);
    const { received, shown } = await counts(page);
    assert.equal(received, 60);
    assert.ok(shown >= 5 && shown <= 13, `${shown} of 4 MB each are kept`);
    page.assertClean();
  });
});

/* ---------- Hostile ---------- */

describe("what comes from a database", () => {
  test(`stays text: ${ATTACKS.length} attacks as values, keys, names, topics, operations and reasons`, TEST_LIMIT, async (t) => {
    assert.ok(ATTACKS.length >= 40);
    const page = await openList(t);
    for (const attack of ATTACKS) {
      const own = JSON.parse(`{${JSON.stringify(attack)}: ${JSON.stringify(attack)}}`);
      const document = { ...own, nested: [own, [attack]], $oid: attack };
      const hostile = [
        { operationType: "insert", ns: { db: attack, coll: attack }, documentKey: own, fullDocument: document, wallTime: { $date: attack } },
        { operationType: "update", ns: { db: attack }, documentKey: { _id: attack }, fullDocument: document, fullDocumentBeforeChange: { other: attack }, unavailable: [attack] },
        { operationType: "update", documentKey: attack, updateDescription: { updatedFields: own, removedFields: [attack], truncatedArrays: [{ field: attack, newSize: attack }] } },
        { operationType: "rename", ns: { db: attack, coll: attack }, to: { db: attack, coll: attack } },
        { operationType: attack, ns: attack, _id: { _data: attack }, [attack]: document },
        { operationType: "insert", fullDocument: [{ $regularExpression: { pattern: attack, options: attack } }, { $numberLong: attack }, { $binary: { base64: attack, subType: attack } },
          { $code: attack }, { $symbol: attack }, { $ref: attack, $id: attack, $db: attack }, { $uuid: attack }, { $date: attack }, { $dbPointer: own }] },
      ];
      await page.evaluate(({ hostile, attack }) => {
        for (const one of hostile) change(one, attack);
        for (const scope of ["source", "log"]) gap({ scope, source: attack, from: attack, to: attack, reason: attack, action: attack });
      }, { hostile, attack });
      await page.evaluate(() => frames(2));
    }
    // Open whatever opens, on what is in the page, so that all of it has been drawn.
    await page.evaluate(async () => {
      list.stickToTop = false;
      for (let screen = 0; screen < 60; screen += 1) {
        for (const folded of document.querySelectorAll('.node.folds[aria-expanded="false"] > .tree-row')) folded.click();
        scrollBy(0, innerHeight);
        await frames(2);
      }
    });
    assert.equal(await page.locator("#changes :is(script, img, iframe, object, embed, a, input, video, audio, form, style, link, meta, base, math, marquee, template)").count(), 0);
    const handlers = await page.evaluate(() => [...document.querySelectorAll("#changes *")].filter((node) =>
      [...node.attributes].some(({ name }) => /^on|^srcdoc$|^formaction$|^action$/.test(name))).length);
    assert.equal(handlers, 0);
    assert.equal(await page.evaluate(() => window.__pwned), undefined);
    const text = await page.locator("#changes").textContent();
    assert.ok(!/[\u0000-\u001f\u202a-\u202e\u2028\u2029]/.test(text), "what cannot be seen is written as an escape");
    page.assertClean();
  });
});

/* ---------- Looks ---------- */

describe("looks", () => {
  const LOOKS = [
    { name: "light", options: { colorScheme: "light" } },
    { name: "dark", options: { colorScheme: "dark" } },
    { name: "narrow", options: { colorScheme: "light", viewport: { width: 320, height: 900 } } },
  ];
  for (const { name, options } of LOOKS) {
    test(`${name}: nothing overflows, all of it can be read, and a screenshot`, TEST_LIMIT, async (t) => {
      const page = await openList(t, { ...options, reducedMotion: "reduce" });
      await page.evaluate((gaps) => gap(gaps[1]), GAPS);
      await shown(page, SAMPLES);
      await page.evaluate((gaps) => gap(gaps[0]), GAPS);
      await settled(page);
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(excess <= 0, `${excess} px wider than the window`);
      assert.deepEqual(await page.evaluate(lowContrasts), []);
      const picture = await page.screenshot({ fullPage: true });
      if (SCREENSHOTS) {
        await mkdir(SCREENSHOTS, { recursive: true });
        await writeFile(path.join(SCREENSHOTS, `list-${name}.png`), picture);
      }
      page.assertClean();
    });
  }
});

/** Texts whose contrast with what is behind them is less than WCAG's AA asks for. Runs in the page. */
function lowContrasts() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], back) => [r, g, b].map((part, index) => part * (a / 255) + back[index] * (1 - a / 255));
  const behind = (node) => {
    if (!node) return rgba("Canvas").slice(0, 3);
    return over(rgba(getComputedStyle(node).backgroundColor), behind(node.parentElement));
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const low = new Set();
  for (const node of document.querySelectorAll("#changes *")) {
    const hasText = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if (!hasText || node.closest(".cc-unseen") || node.getClientRects().length === 0) continue;
    const back = behind(node);
    const [light, dark] = [luminance(over(rgba(getComputedStyle(node).color), back)), luminance(back)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.add(`${node.className} ${ratio.toFixed(2)}`);
  }
  return [...low];
}
