// Choosing what is shown: evaluated by the server, kept in the address.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addressBecomes, keysBecome, newContext, openLivePage, openPage, TEST_LIMIT, useBrowser } from "./live-page.mjs";
import { Server } from "./server.mjs";

useBrowser();

const orders = async (server) => {
  await server.write("PUT", "o1", { status: "new", total: 5, paid: false });
  await server.write("PUT", "o2", { status: "paid", total: 150, paid: true });
  await server.write("PATCH", "o1", { status: "paid" });
  await server.write("PUT", "i1", { sku: "A-100" }, "items");
};

describe("choosing", () => {
  test("topics and patterns: chips, suggestions, the address, and a press on a source's topic", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await orders(server);
    const page = await openLivePage(t, server, { expectedErrors: /400/ });
    await keysBecome(page, ["o1", "o2", "o1", "i1"]);
    const suggested = await page.locator("#topic-list option").evaluateAll((options) => options.map(({ value }) => value));
    assert.deepEqual(suggested.sort(), ["test.*", "test.items", "test.test"]);

    await page.locator("#topic-input").fill("test.items");
    await page.keyboard.press("Enter");
    await keysBecome(page, ["i1"]);
    await addressBecomes(page, { topic: "test.items" });
    assert.match(await page.locator("#curl-view").textContent(), /topic=test\.items/);

    await page.locator("#topic-input").fill("test.");
    await page.keyboard.press("Enter");
    await page.locator("#topic-error", { hasText: 'topic="test." is not valid' }).waitFor();
    await page.locator("#topic-chips").getByRole("button", { name: "Do not follow test.", exact: true }).click();
    await page.locator("#topic-input").fill("test.*");
    await page.keyboard.press("Enter");
    await keysBecome(page, ["o1", "o2", "o1", "i1"]);
    await addressBecomes(page, { topic: "test.items test.*" });

    await page.locator("#sources .chip", { hasText: "test.test" }).click();
    await keysBecome(page, ["o1", "o2", "o1"]);
    await addressBecomes(page, { topic: "test.test" });
    await page.locator("#reset").click();
    await addressBecomes(page, {});
    await keysBecome(page, ["o1", "o2", "o1", "i1"]);
    assert.equal(await page.locator("#topic-chips li").count(), 0);
  });

  test("operations, text and $match hold together, and for what comes live, too", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await orders(server);
    const page = await openLivePage(t, server);
    await page.locator('#operations input[value="insert"]').check();
    await keysBecome(page, ["o1", "o2", "i1"]);
    await page.locator('#operations input[value="update"]').check();
    await keysBecome(page, ["o1", "o2", "o1", "i1"]);

    await page.locator("#text").fill("status:PAID");
    await page.keyboard.press("Enter");
    await keysBecome(page, ["o2", "o1"]);
    await page.locator("#text").fill("status:paid total:150 paid:true o2");
    await page.keyboard.press("Enter");
    await keysBecome(page, ["o2"]);
    await page.locator("#text").fill("items");
    await page.keyboard.press("Enter");
    await keysBecome(page, ["i1"]);
    await page.locator("#text").fill("");
    await page.locator("#match").fill('{"fullDocument.total": {"$gte": 100}}');
    await page.keyboard.press("Control+Enter");
    await keysBecome(page, ["o2"]);
    await addressBecomes(page, { op: "insert update", match: '{"fullDocument.total": {"$gte": 100}}' });

    await server.write("PUT", "o3", { total: 99 });
    await server.write("PUT", "o4", { total: 100 });
    await keysBecome(page, ["o2", "o4"]);
    page.assertClean();
  });

  test("other operations are those without a box of their own", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await orders(server);
    const page = await openLivePage(t, server, { query: "?op=other" });
    await addressBecomes(page, { op: "other" });
    await page.locator('#operations input[value="delete"]').check();
    await server.write("DELETE", "o1");
    await keysBecome(page, ["o1"]);
    assert.equal(await page.locator("#changes .badge").textContent(), "delete");
  });

  test("a $match that the server refuses is explained at its box, and the list goes on", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, { expectedErrors: /400/ });
    for (const [match, words] of [
      ['{"status": "open"}', /fullDocument\.status/],
      ['{"fullDocument.a": {"$near": 1}}', /\$near/],
      ['{"fullDocument.a": ', /JSON/],
      ['{}]}', /JSON/],
      ['{"fullDocument.<img src=x onerror=alert(1)>": {"$x": 1}}', /\$x/],
    ]) {
      await page.locator("#match").fill(match);
      await page.keyboard.press("Control+Enter");
      await page.waitForFunction((wanted) => new RegExp(wanted).test(document.getElementById("match-error").textContent), words.source);
      assert.equal(await page.locator("#match").getAttribute("aria-invalid"), "true");
      await addressBecomes(page, {});
    }
    await server.insert("still");
    await keysBecome(page, ["still"]);
    await page.locator("#match").fill('{"operationType": "insert"}');
    await page.keyboard.press("Control+Enter");
    await addressBecomes(page, { match: '{"operationType": "insert"}' });
    assert.equal(await page.locator("#match-error").textContent(), "");
    page.assertClean();
  });

  test("start from the last N, now, the earliest, an id or a time", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("0", "1", "2", "3", "4", "5", "6");
    const page = await openLivePage(t, server);
    const start = page.locator("#start");
    await keysBecome(page, ["2", "3", "4", "5", "6"]);
    await page.locator("#start-last").fill("2");
    await page.keyboard.press("Enter");
    await keysBecome(page, ["5", "6"]);
    await addressBecomes(page, { since: "last:2" });

    await start.selectOption("earliest");
    await keysBecome(page, ["0", "1", "2", "3", "4", "5", "6"]);
    await addressBecomes(page, { since: "earliest" });

    const epoch = (await page.locator("#position").textContent()).split("-")[0];
    await start.selectOption("id");
    await page.locator("#start-id").fill(`${epoch}-4`);
    await page.keyboard.press("Enter");
    await keysBecome(page, ["4", "5", "6"]);

    await start.selectOption("time");
    await page.locator("#start-time").fill("2020-02-29T12:00:00");
    await page.keyboard.press("Enter");
    await keysBecome(page, ["0", "1", "2", "3", "4", "5", "6"]);
    const since = new URL(page.url()).searchParams.get("since");
    assert.equal(new Date(since).valueOf(), new Date(await page.evaluate(() => new Date("2020-02-29T12:00:00").toISOString())).valueOf());

    await start.selectOption("now");
    await addressBecomes(page, { since: "now" });
    await keysBecome(page, []);
    await page.locator('#connection[data-state="live"]').waitFor();
    await server.insert("7");
    await keysBecome(page, ["7"]);
    page.assertClean();
  });

  test("a link shares the view, and back and forward go through the views", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await orders(server);
    const context = await newContext(t);
    const page = await openLivePage(t, server, { context });
    await page.locator('#operations input[value="insert"]').check();
    await keysBecome(page, ["o1", "o2", "i1"]);
    await page.locator("#text").fill('"o1" status:new');
    await page.keyboard.press("Enter");
    await keysBecome(page, ["o1"]);
    await page.locator("#topic-input").fill("test.test");
    await page.keyboard.press("Enter");
    await addressBecomes(page, { op: "insert", text: '"o1" status:new', topic: "test.test" });
    await keysBecome(page, ["o1"]);

    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.origin });
    await page.locator("#share").click();
    await page.locator("#share", { hasText: "Copied" }).waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(link, page.url());
    const other = await openLivePage(t, server, { query: new URL(link).search });
    await keysBecome(other, ["o1"]);
    assert.equal(await other.locator("#text").inputValue(), '"o1" status:new');
    assert.ok(await other.locator('#operations input[value="insert"]').isChecked());
    assert.equal(await other.locator("#topic-chips li").count(), 1);
    other.assertClean();

    await page.goBack();
    await page.goBack();
    await addressBecomes(page, { op: "insert" });
    await keysBecome(page, ["o1", "o2", "i1"]);
    assert.equal(await page.locator("#text").inputValue(), "");
    await page.goBack();
    await addressBecomes(page, {});
    await keysBecome(page, ["o1", "o2", "o1", "i1"]);
    await page.goForward();
    await keysBecome(page, ["o1", "o2", "i1"]);
    page.assertClean();
  });

  test("a link that the server refuses says why, at the box it is about, and can be mended", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("a");
    const page = await openPage(t, server, { query: "?match=%7B%22status%22%3A1%7D", expectedErrors: /400|ERR_|EventSource/ });
    await page.locator('#connection[data-state="failed"]').waitFor();
    await page.locator("#match-error", { hasText: "fullDocument.status" }).waitFor();
    await page.locator("#welcome", { hasText: "The server does not take this" }).waitFor();
    await page.locator('.source[data-state="live"]').waitFor();
    await page.locator("#reconnect").click();
    await page.locator('#connection[data-state="failed"]').waitFor();
    await page.locator("#match").fill("");
    await page.locator('#choose button[type="submit"]').click();
    await keysBecome(page, ["a"]);
    await page.locator('#connection[data-state="live"]').waitFor();
    page.assertClean();
  });
});
