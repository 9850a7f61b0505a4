// The controls around the list: flow, throughput, connection, sources, keyboard.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addressBecomes, connectionIs, connectionWas, keysBecome, newestCard, openLivePage, openPage, shownKeys, TEST_LIMIT, useBrowser } from "./live-page.mjs";
import { Server } from "./server.mjs";

useBrowser();

const OUTAGE = { expectedErrors: /^Failed to load resource|ERR_|WebSocket/ };

describe("flow", () => {
  test("pause counts what waits, resume shows all of it, clear empties", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    await server.insert("1");
    await keysBecome(page, ["1"]);
    await page.locator("#pause").click();
    await connectionIs(page, "paused");
    await server.insert("2", "3", "4");
    await page.locator("#waiting", { hasText: "+3" }).waitFor();
    assert.deepEqual(await shownKeys(page), ["1"]);
    assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");

    await page.locator("#pause").click();
    await connectionIs(page, "live");
    await keysBecome(page, ["1", "2", "3", "4"]);
    assert.ok(await page.locator("#waiting").isHidden());

    await page.locator("#clear").click();
    await keysBecome(page, []);
    await server.insert("5");
    await keysBecome(page, ["5"]);
    page.assertClean();
  });

  test("sticking to the top is a choice: without it, what comes waits", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    await server.insert("1");
    await keysBecome(page, ["1"]);
    const stick = page.locator("#stick");
    const stickIs = (pressed) => page.locator(`#stick[aria-pressed="${pressed}"]`).waitFor();
    await stickIs(true);
    await stick.click();
    await stickIs(false);
    await server.insert("2");
    await page.locator("#received", { hasText: /\b2 received$/ }).waitFor();
    // A press elsewhere changes nothing.
    await page.locator("h1").click();
    assert.deepEqual(await shownKeys(page), ["1"]);
    await stickIs(false);
    await stick.click();
    await stickIs(true);
    await keysBecome(page, ["1", "2"]);
    page.assertClean();
  });

  test("throughput is drawn, sharp, and told in words; lag is told", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, { deviceScaleFactor: 2 });
    await server.insert("a", "b");
    await server.write("DELETE", "a");
    await keysBecome(page, ["a", "b", "a"]);
    const chart = page.locator("#throughput");
    const told = (range) => page.locator(`#throughput[aria-label^="Changes in the last ${range}: 2 insert, 1 delete"]`).waitFor();
    await told("minute");
    await page.locator("#ranges").getByLabel("10 min").check();
    await told("10 minutes");
    await page.locator("#ranges").getByLabel("60 min").check();
    await told("60 minutes");
    assert.deepEqual(await page.locator("#legend li:visible").allTextContents(), ["insert", "delete"]);
    const { pixels, drawn } = await chart.evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return { pixels: canvas.width / canvas.clientWidth, drawn: data.some((value) => value > 0) };
    });
    assert.ok(drawn);
    assert.ok(Math.abs(pixels - 2) < 0.02, `${pixels} pixels of the screen for one of the page`);
    await page.waitForFunction(() => /^\d+ (ms|s)$/.test(document.getElementById("lag").textContent));
    page.assertClean();
  });
});

describe("the connection", () => {
  test("drop: it resumes where it was, without hole or repetition", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, OUTAGE);
    await server.insert("1");
    await keysBecome(page, ["1"]);
    const menu = page.locator("#connection-menu");
    await menu.locator("summary").click();
    await page.locator("#drop").click();
    await server.insert("2", "3");
    await keysBecome(page, ["1", "2", "3"]);
    await connectionWas(page, "waiting");
    await page.locator("#drop-note", { hasText: /^Resumed after .* from [a-z2-7]{8}-\d+/ }).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await menu.getAttribute("open"), null);
    page.assertClean();
  });

  test("another transport goes on where the first one was, and back", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, OUTAGE);
    await server.insert("1");
    await keysBecome(page, ["1"]);
    await page.locator("#connection-menu summary").click();
    const sockets = page.waitForEvent("websocket");
    await page.getByLabel("WebSocket").check();
    assert.match((await sockets).url(), /\/ws\?.*since=/);
    await addressBecomes(page, { transport: "websocket" });
    await connectionIs(page, "live");
    await server.insert("2");
    await keysBecome(page, ["1", "2"]);
    await page.getByLabel("SSE").check();
    await connectionIs(page, "live");
    await server.insert("3");
    await keysBecome(page, ["1", "2", "3"]);
    await addressBecomes(page, {});
    page.assertClean();
  });

  test("by WebSocket, too, a restart loses and repeats nothing", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, { ...OUTAGE, query: "?transport=websocket" });
    await server.insert("1");
    await keysBecome(page, ["1"]);
    await server.kill();
    await connectionIs(page, "waiting");
    assert.match(await page.locator("#countdown").textContent(), /in \d+ s/);
    await server.restart();
    await server.insert("2");
    await keysBecome(page, ["1", "2"]);
    page.assertClean();
  });

  test("a network that is gone for a while leaves no hole", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, OUTAGE);
    await server.insert("1");
    await keysBecome(page, ["1"]);
    await page.context().setOffline(true);
    await page.evaluate(() => document.getElementById("drop").click());
    await connectionIs(page, "waiting");
    await server.insert("2");
    await page.context().setOffline(false);
    await keysBecome(page, ["1", "2"]);
    await connectionIs(page, "live");
    page.assertClean();
  });

  test("catching up says how much is left, and the title what is followed and whether", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("1", "2", "3");
    const page = await openLivePage(t, server, { ...OUTAGE, query: "?since=earliest&topic=test.*" });
    await keysBecome(page, ["1", "2", "3"]);
    const words = await page.evaluate(() => connectionWords);
    assert.ok(words.includes("Catching up · 3 behind"), JSON.stringify(words));
    assert.equal(words.at(-1), "Live");
    assert.equal(await page.title(), "test.* · since earliest · changecast");
    await server.kill();
    await page.waitForFunction(() => document.title.startsWith("⚠ "));
    page.assertClean();
  });

  test("g2_g3: whatever breaks, and however often, each change comes once and in order", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, { ...OUTAGE, query: "?since=earliest" });
    const faults = [
      () => page.evaluate(() => document.getElementById("drop").click()),
      () => page.keyboard.press("w"),
      async () => {
        await server.kill();
        await server.restart();
      },
      async () => {
        await page.context().setOffline(true);
        await page.evaluate(() => document.getElementById("drop").click());
        await page.context().setOffline(false);
      },
    ];
    const keys = [];
    for (let round = 0; round < 12; round += 1) {
      const names = [0, 1, 2].map((n) => `${round}-${n}`);
      keys.push(...names);
      const isRestart = round % faults.length === 2;
      // What is written while the server is killed may fail, which is another test's.
      if (isRestart) await faults[2]();
      await Promise.all([server.insert(...names), isRestart ? undefined : faults[round % faults.length]()]);
    }
    await page.locator("#received", { hasText: `${keys.length} shown, newest first · ${keys.length} received` }).waitFor();
    const seen = [];
    await page.keyboard.press("g");
    for (const _ of keys) {
      seen.unshift(await page.evaluate(() => document.activeElement.closest("#changes .card").querySelector(".key").textContent));
      await page.keyboard.press("j");
    }
    assert.deepEqual(seen, keys);
    page.assertClean();
  });

  test("what was lost is told until it has been read", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("1");
    const page = await openLivePage(t, server, { query: "?since=aaaaaaaa-7" });
    await page.locator("#lost", { hasText: "History lost" }).waitFor();
    await keysBecome(page, ["1"]);
    assert.deepEqual(await page.locator("#changes .badge").allTextContents(), ["insert", "gap"]);
    await page.locator("#lost-dismiss").click();
    await page.locator("#lost").waitFor({ state: "hidden" });
    page.assertClean();
  });
});

describe("sources", () => {
  test("what is watched, how it is, and what programs publish", TEST_LIMIT, async (t) => {
    const server = await Server.start(t, "--publish");
    await server.insert("a");
    await server.publish("news.weather", { rain: true });
    const page = await openLivePage(t, server);
    const store = page.locator('.source[data-source="test"]');
    assert.equal(await store.getAttribute("data-state"), "live");
    assert.match(await store.textContent(), /document store.*test\.test.*last change/s);
    await store.locator("summary").click();
    assert.match(await store.locator(".facts").textContent(), /Watchestest\.\*.*Documentswrite.*Position\{/s);
    assert.match(await page.locator("#sources").textContent(), /Published.*news\.weather/s);

    // A new topic is found by its first change.
    await server.publish("news.sports", {});
    await page.locator("#sources .chip", { hasText: "news.sports" }).waitFor();
    page.assertClean();
  });

  test("what a check has found is shown with what mends it", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const finding = { level: "warning", about: "slot", detail: "the slot is <b>idle</b>", mend: "SELECT 1" };
    const source = { name: "shop", kind: "postgres", topics: ["shop.*"], state: "live", check: { level: "warning", findings: [finding] } };
    const prepare = (page) => page.route("**/sources", (route) => route.fulfill({ json: { sources: [source] } }));
    const page = await openPage(t, server, { prepare });
    const shown = page.locator(".source-finding");
    await shown.waitFor();
    assert.equal(await shown.textContent(), "slot the slot is <b>idle</b>SELECT 1");
    assert.match(await page.locator(".source").textContent(), /PostgreSQL/);
    page.assertClean();
  });
});

describe("the keyboard", () => {
  test("does all of it, and says how", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server, OUTAGE);
    const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
    await page.locator("#try").waitFor();
    await press("i");
    await newestCard(page, "insert");
    await press("u");
    await newestCard(page, "update");
    await press("Delete");
    await newestCard(page, "delete");
    await press("Space");
    await connectionIs(page, "paused");
    await press("Space");
    await connectionIs(page, "live");
    await press("c");
    await keysBecome(page, []);

    await press("?");
    await page.locator("#help[open]").waitFor();
    assert.match(await page.locator("#shortcuts").textContent(), /Space.*Pause/s);
    await press("Escape");

    await press("t");
    await page.keyboard.type("test.test");
    await press("Enter", "Escape");
    await addressBecomes(page, { topic: "test.test" });
    await press("/");
    await page.keyboard.type("k j c");
    await press("Enter", "Escape");
    await addressBecomes(page, { topic: "test.test", text: "k j c" });
    await press("m");
    await page.keyboard.type('{"operationType": "insert"}');
    await press("Control+Enter", "Escape");
    await addressBecomes(page, { topic: "test.test", text: "k j c", match: '{"operationType": "insert"}' });
    await press("o", "Space", "Escape");
    await addressBecomes(page, { topic: "test.test", op: "insert", text: "k j c", match: '{"operationType": "insert"}' });
    await page.evaluate(() => document.activeElement.blur());
    await press("x");
    await addressBecomes(page, {});
    await press("s");
    assert.equal(await page.evaluate(() => document.activeElement.id), "start");
    await press("Escape");

    await press("w");
    await addressBecomes(page, { transport: "websocket" });
    await press("w");
    await addressBecomes(page, {});
    await connectionIs(page, "live");
    await press("d");
    await connectionWas(page, "waiting");
    await press("r");
    await connectionIs(page, "live");
    await press("a");
    assert.equal(await page.locator("#stick").getAttribute("aria-pressed"), "false");
    await press("2");
    assert.ok(await page.getByRole("radio", { name: "10 min" }).isChecked());
    await press("e");
    await page.locator("#editor[open]").waitFor();
    await press("Escape");
    page.assertClean();
  });

  test("j, k and Enter go through the changes", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("1", "2", "3");
    const page = await openLivePage(t, server);
    await keysBecome(page, ["1", "2", "3"]);
    const selected = () => page.evaluate(() => document.activeElement?.closest("#changes .card")?.querySelector(".key")?.textContent);
    await page.keyboard.press("j");
    assert.equal(await selected(), "3");
    await page.keyboard.press("j");
    assert.equal(await selected(), "2");
    await page.keyboard.press("G");
    assert.equal(await selected(), "1");
    await page.keyboard.press("k");
    assert.equal(await selected(), "2");
    await page.keyboard.press("g");
    assert.equal(await selected(), "3");
    page.assertClean();
  });

  test("can be switched off, and stays so", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const page = await openLivePage(t, server);
    await page.locator("#help-open").click();
    await page.locator("#shortcuts-on").uncheck();
    await page.keyboard.press("Escape");
    await page.reload();
    await connectionIs(page, "live");
    await page.keyboard.press("Space");
    await server.insert("a");
    await keysBecome(page, ["a"]);
    assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "false");
  });
});
