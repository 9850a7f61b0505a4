// The live page in a real browser, against the real binary. Row ids (S0-..) name the behaviour of the original that a test holds.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  connectionIs, keysBecome, newestCard, openLivePage, openPage, saveScreenshot, shownField, shownKeys, TEST_LIMIT, useBrowser,
} from "./live-page.mjs";
import { Server } from "./server.mjs";

useBrowser();

/* ---------- The list ---------- */

describe("the list", () => {
  test("S0-16, S0-22: the last five in order, then live, newest on top", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("0", "1", "2", "3", "4", "5", "6");
    const page = await openLivePage(t, server);
    await keysBecome(page, ["2", "3", "4", "5", "6"]);

    await server.insert("7");
    await keysBecome(page, ["2", "3", "4", "5", "6", "7"]);

    await page.reload();
    await keysBecome(page, ["3", "4", "5", "6", "7"]);
    page.assertClean();
  });

  test("S0-15, S0-20: the original's DOM ids", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("a", "b", "c");
    const page = await openLivePage(t, server);
    await keysBecome(page, ["a", "b", "c"]);

    const changes = await server.lastChanges(3);
    const expected = changes.map(({ _id }) => `change-${Buffer.from(_id._data, "latin1").toString("base64url")}`);
    const ids = await page.locator("#changes .card").evaluateAll((cards) => cards.map((card) => card.id));
    assert.deepEqual(ids.reverse(), expected);
    assert.equal(await page.locator("body").getAttribute("id"), "body");
    assert.equal(await page.locator("h4").textContent(), "Changes");
    page.assertClean();
  });

  test("insert, update, replace and delete appear with word, topic, key, time and JSON", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);

    await server.write("PUT", "a", { title: "first", size: 1 });
    const inserted = await newestCard(page, "insert");
    assert.equal(await inserted.locator(".topic").textContent(), "test.test");
    assert.equal(await inserted.locator(".key").textContent(), "a");
    assert.equal(await shownField(inserted, "title"), '"first"');
    const time = await inserted.locator("time").getAttribute("datetime");
    assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, `a recent time, not ${time}`);

    await server.write("PATCH", "a", { size: 2 });
    assert.equal(await shownField(await newestCard(page, "update"), "size"), "2");

    await server.write("PUT", "a", { title: "second" });
    await newestCard(page, "replace");

    await server.write("DELETE", "a");
    await newestCard(page, "delete");
    await keysBecome(page, ["a", "a", "a", "a"]);
    page.assertClean();
  });

  test("a reload shows the last five", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    await server.insert("0", "1", "2", "3", "4", "5", "6");
    await keysBecome(page, ["0", "1", "2", "3", "4", "5", "6"]);
    await page.reload();
    await keysBecome(page, ["2", "3", "4", "5", "6"]);
    page.assertClean();
  });

  test("S0-20: markup in values, names and keys stays text", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    const attacks = [
      `<script>window.__pwned = 1</script>`,
      `<img src=x onerror="window.__pwned = 1">`,
      `</pre><svg onload="window.__pwned = 1">`,
      `"><iframe srcdoc="<script>parent.__pwned = 1</script>"></iframe>`,
      `\u2028javascript:window.__pwned=1`,
    ];
    const hostile = Object.fromEntries(attacks.map((attack) => [attack, attack]));
    const hostileKey = `<img src=x onerror="window.__pwned = 1">`;
    await server.write("PUT", "values", { ...hostile, nested: [hostile] });
    await server.write("PUT", hostileKey, hostile);

    await keysBecome(page, ["values", hostileKey]);
    const card = await newestCard(page, "insert");
    const [names, values] = await Promise.all([card.locator(".name").allTextContents(), card.locator(".value").allTextContents()]);
    for (const attack of attacks.filter((attack) => !attack.includes("\u2028"))) {
      assert.ok(names.includes(attack), attack);
      assert.ok(values.includes(JSON.stringify(attack)) || values.includes(`"${attack}"`), attack);
    }
    assert.equal(await page.locator("#changes :is(script, img, iframe, [onload], [onerror], [srcdoc])").count(), 0);
    assert.equal(await page.evaluate(() => window.__pwned), undefined);
    page.assertClean();
  });
});

/* ---------- A newcomer ---------- */

describe("a newcomer", () => {
  test("finds lines to paste, and they give way to the first change", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    await page.locator("#welcome").waitFor();
    await page.locator("#curl-put", { hasText: `curl -X PUT ${server.origin}/documents/test/test/hello` }).waitFor();
    assert.equal(await page.locator("#curl-events").textContent(), `curl -N ${server.origin}/events`);

    await server.insert("a");
    await page.locator("#welcome").waitFor({ state: "hidden" });
    page.assertClean();
  });

  test("sees Insert, Update and Delete happen", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    const update = page.locator("#try-update");
    assert.ok(await update.isDisabled());
    assert.ok(await page.locator("#try-delete").isDisabled());

    await page.locator("#try-insert").click();
    const inserted = await newestCard(page, "insert");
    const [key] = await shownKeys(page);
    assert.equal(await shownField(inserted, "status"), '"new"');

    await update.click();
    assert.equal(await shownField(await newestCard(page, "update"), "status"), '"paid"');

    await page.locator("#try-delete").click();
    await newestCard(page, "delete");
    await keysBecome(page, [key, key, key]);
    await page.locator("#try-update:disabled").waitFor();
    await page.locator("#try-delete:disabled").waitFor();
    page.assertClean();
  });

  test("updates the document that somebody else saved last", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    await server.insert("theirs");
    await page.locator("#try-update").click();
    await newestCard(page, "update");
    await keysBecome(page, ["theirs", "theirs"]);
    page.assertClean();
  });
});

/* ---------- Faults ---------- */

describe("faults", () => {
  test("after SIGKILL and a restart the page resumes by itself, without loss or repetition", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, { expectedErrors: /^Failed to load resource/ });
    await server.insert("before-1", "before-2");
    await keysBecome(page, ["before-1", "before-2"]);

    // Refused with 503, for a native EventSource that is the end; and the writes surely fall into the outage.
    const refused = [];
    await page.route("**/events*", (route) => {
      refused.push(new URL(route.request().url()).searchParams.get("since"));
      return route.fulfill({ status: 503 });
    });
    await server.kill();
    await connectionIs(page, "waiting");
    await server.restart();
    await server.insert("between-1", "between-2");
    await page.waitForRequest("**/events*");
    assert.deepEqual(await shownKeys(page), ["before-1", "before-2"]);
    await page.unroute("**/events*");

    await keysBecome(page, ["before-1", "before-2", "between-1", "between-2"]);
    await connectionIs(page, "live");
    await server.insert("after");
    await keysBecome(page, ["before-1", "before-2", "between-1", "between-2", "after"]);
    assert.match(await page.locator("#received").textContent(), /\b5 received$/);
    assert.match(refused[0], /^[a-z2-7]{8}-\d+$/);

    await page.reload();
    await keysBecome(page, ["before-1", "before-2", "between-1", "between-2", "after"]);
    page.assertClean();
  });

  test("a second restart is no different from the first", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, { expectedErrors: /^Failed to load resource|ERR_/ });
    for (const round of ["1", "2"]) {
      await server.kill();
      await connectionIs(page, "waiting");
      await server.restart();
      await server.insert(round);
      await connectionIs(page, "live");
    }
    await keysBecome(page, ["1", "2"]);
    page.assertClean();
  });

  test("Reconnect now does not wait for the countdown", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, { expectedErrors: /^Failed to load resource|ERR_/ });
    await server.kill();
    await connectionIs(page, "waiting");
    await server.restart();
    // In one step, because the countdown may end between a look and a click.
    const state = await page.waitForFunction(() => {
      const reconnect = document.getElementById("reconnect");
      if (reconnect.hidden) return document.querySelector('[data-state="live"]') && "live";
      reconnect.click();
      return document.getElementById("connection").dataset.state;
    });
    assert.ok(["connecting", "live"].includes(await state.jsonValue()));
    await connectionIs(page, "live");
    page.assertClean();
  });

  test("a change sent twice is shown once, a gap is shown where it happened", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const event = (id, value) => `id: ${id}\ndata: ${JSON.stringify(value)}\n\n`;
    const change = (seq) => event(`abcdefgh-${seq}`, {
      id: `abcdefgh-${seq}`,
      topic: "shop.orders",
      change: { _id: { _data: `8265${seq}` }, operationType: "insert", ns: { db: "shop", coll: "orders" }, documentKey: { _id: `k${seq}` } },
    });
    const gap = event("abcdefgh-2", {
      type: "gap", id: "abcdefgh-2", scope: "source", source: "shop",
      reason: "the oplog no longer reaches back to <b>the last position</b>", action: "refetch",
    });
    const from = (seq) => helloEvent(`abcdefgh-${seq}`);
    const bodies = [from(0) + change(1) + change(1) + gap, from(2) + change(1) + gap + change(3)];
    const prepare = (page) => answerEvents(page, () => bodies.shift() ?? from(3));
    const page = await openPage(t, server, { prepare });

    await keysBecome(page, ["k1", "k3"]);
    const badges = await page.locator("#changes .card .badge").allTextContents();
    assert.deepEqual(badges, ["insert", "gap", "insert"]);
    const gapText = await page.locator("#changes .card").nth(1).textContent();
    assert.match(gapText, /source shop/);
    assert.match(gapText, /no longer reaches back to <b>the last position<\/b>/);
    const lost = page.locator("#lost");
    assert.match(await lost.textContent(), /History lost.*source shop.*no longer reaches back to <b>the last position<\/b>/s);
    await lost.locator("button").click();
    await lost.waitFor({ state: "hidden" });
  });

  test("a failed source shows its error and what to do", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const sources = [
      { name: "test", kind: "embedded", state: "live", error: null, remedy: null, documents: "read" },
      { name: "shop", kind: "mongodb", state: "connecting", error: null, remedy: null, documents: "off" },
    ];
    const failure = { source: "shop", state: "failed", error: "connection refused", remedy: "start mongod, or correct --mongo" };
    const body = `${helloEvent("abcdefgh-0", ["shop"])}data: ${JSON.stringify({ type: "source", ...failure })}\n\n`;
    const prepare = async (page) => {
      await page.route("**/sources", (route) => route.fulfill({ json: { sources } }));
      await answerEvents(page, () => body);
    };
    const page = await openPage(t, server, { prepare });

    const shop = page.locator('.source[data-state="failed"]');
    await shop.waitFor();
    assert.equal(await shop.locator(".source-error").textContent(), failure.error);
    assert.equal(await shop.locator(".source-remedy").textContent(), failure.remedy);
    await page.locator('.source[data-state="live"]', { hasText: "test" }).waitFor();
    assert.ok(await page.locator("#try").isHidden(), "no buttons for a store that cannot be written");
  });
});

/** In the server's place: what a tab asks for that is there already is nothing, and streams are those of `body`. */
function answerEvents(page, body) {
  return page.route("**/events*", (route) => route.fulfill(new URL(route.request().url()).searchParams.has("wait")
    ? { contentType: "application/x-ndjson", body: `${JSON.stringify(hello("abcdefgh-0"))}\n` }
    : { contentType: "text/event-stream", body: body() }));
}

/** The first message of a stream, as it comes with `envelope=true`. */
const helloEvent = (position, waiting) => `id: ${position}\ndata: ${JSON.stringify(hello(position, waiting))}\n\n`;

function hello(position, waiting = []) {
  return { type: "hello", id: position, epoch: position.split("-")[0], position, resumed: false, waiting, tail: position };
}

/* ---------- Looks ---------- */

describe("looks", () => {
  const LOOKS = [
    { name: "light", options: { colorScheme: "light" } },
    { name: "dark", options: { colorScheme: "dark" } },
    { name: "narrow", options: { colorScheme: "light", viewport: { width: 320, height: 720 } } },
  ];
  for (const { name, options } of LOOKS) {
    test(`${name}: nothing overflows, and a screenshot`, TEST_LIMIT, async (t) => {
      const server = await Server.start(t);
      const page = await openLivePage(t, server, { ...options, reducedMotion: "reduce" });
      await page.locator("#curl-put", { hasText: server.origin }).waitFor({ state: "attached" });
      await saveScreenshot(page, `${name}-empty`);

      await server.write("PUT", "order-1041", { customer: "Ada", item: "Coffee beans, 1 kg", quantity: 2, price: 18.5, status: "new" });
      await server.write("PATCH", "order-1041", { status: "paid" });
      await server.write("PUT", "order-1041", { customer: "Ada", item: "Green tea", quantity: 1, price: 7.25, status: "new" });
      await server.write("DELETE", "order-1041");
      await keysBecome(page, Array(4).fill("order-1041"));
      await saveScreenshot(page, name);
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(excess <= 0, `${excess} px wider than the window`);
      page.assertClean();
    });
  }
});
