// For everybody: what axe finds, on small screens, in both colours; and how much the first page weighs.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { keysBecome, newestCard, openLivePage, TEST_LIMIT, useBrowser } from "./live-page.mjs";
import { Server } from "./server.mjs";

useBrowser();

const FIRST_PAGE_BYTES_MAX = 60_000;
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function assertNoViolations(page, what) {
  // By the debugger, as the page's own policy lets no script in.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: AXE });
  const { result } = await session.send("Runtime.evaluate", {
    awaitPromise: true,
    returnByValue: true,
    expression: `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.map(({ id, nodes }) =>
      ({ id, nodes: nodes.slice(0, 5).map(({ html, failureSummary }) => html.slice(0, 200) + " " + failureSummary) })))`,
  });
  assert.deepEqual(result.value, [], what);
}

describe("access", () => {
  const LOOKS = [
    { name: "light", options: { colorScheme: "light" } },
    { name: "dark", options: { colorScheme: "dark" } },
    { name: "narrow", options: { colorScheme: "light", viewport: { width: 320, height: 720 } } },
    { name: "narrow and dark", options: { colorScheme: "dark", viewport: { width: 320, height: 720 } } },
  ];
  for (const { name, options } of LOOKS) {
    test(`${name}: axe finds nothing, empty, lively, or with everything open`, TEST_LIMIT, async (t) => {
      const server = await Server.start(t, "--publish");
      const page = await openLivePage(t, server, { ...options, reducedMotion: "reduce", expectedErrors: /400/ });
      await assertNoViolations(page, "empty");

      await server.write("PUT", "order-1041", { customer: "Ada", items: [{ sku: "A-100" }], price: 18.5, at: { $date: "2026-11-21T00:00:00Z" } });
      await server.write("PATCH", "order-1041", { status: "paid" });
      await server.publish("news.weather", { rain: true });
      await server.write("DELETE", "order-1041");
      await newestCard(page, "delete");
      await assertNoViolations(page, "lively");

      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      await page.locator("#match").fill("{");
      await page.locator("#match").blur();
      await page.locator("#match-error:not(:empty)").waitFor();
      await page.evaluate(() => document.getElementById("pause").click());
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(excess <= 0, `${excess} px wider than the window`);
      await assertNoViolations(page, "all open");

      await page.evaluate(() => document.getElementById("help").showModal());
      await assertNoViolations(page, "help");
      await page.keyboard.press("Escape");
      await page.evaluate(() => document.getElementById("editor-open").click());
      await page.locator("#editor[open]").waitFor();
      await assertNoViolations(page, "editor");
      page.assertClean();
    });
  }

  test("history that was lost and a refused view are told accessibly", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("a");
    const page = await openLivePage(t, server, { query: "?since=aaaaaaaa-7", reducedMotion: "reduce" });
    await page.locator("#lost").waitFor();
    await keysBecome(page, ["a"]);
    await assertNoViolations(page, "lost");
  });

  test(`the first page is at most ${FIRST_PAGE_BYTES_MAX / 1000} kB, compressed`, TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    const loaded = new Map();
    const prepare = (page) => page.on("response", (response) => {
      if (!/\/(events|sources|topics)\b/.test(response.url())) loaded.set(response.url(), response.body());
    });
    const page = await openLivePage(t, server, { prepare });
    let sum = 0;
    for (const body of loaded.values()) sum += gzipSync(await body).length;
    assert.ok(loaded.size >= 4, `page, script, style and icon, not only ${[...loaded.keys()]}`);
    assert.ok(sum <= FIRST_PAGE_BYTES_MAX, `${sum} bytes`);
    t.diagnostic(`${sum} bytes, compressed, in ${loaded.size} answers`);
    page.assertClean();
  });
});
