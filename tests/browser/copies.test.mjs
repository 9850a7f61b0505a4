// What a card is copied as is run, against the real binary: it has to go on right after that card.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium } from "./chromium.mjs";
import { Server } from "./server.mjs";

const TEST_LIMIT = { timeout: 60_000 };
const HERE = path.dirname(fileURLToPath(import.meta.url));

let browser;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/** Somebody's page, whose HTML a test can set. */
async function startSite(t) {
  const site = { html: "" };
  const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(site.html));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  site.origin = `http://127.0.0.1:${server.address().port}`;
  return site;
}

/** A server with four changes, and the second of them as it is copied. */
async function copyOfSecond(t, kind) {
  const site = await startSite(t);
  process.env.CHANGECAST_ALLOW_ORIGIN = site.origin;
  const server = await Server.start(t);
  await server.insert("one", "two", "three", "four");
  site.html = `<!doctype html><script type="module" src="${server.origin}/change-stream.js"></script><change-stream src="${server.origin}" since="earliest"></change-stream>`;
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(site.origin);
  const card = page.locator("change-stream .card", { has: page.locator(".key", { hasText: /^two$/ }) });
  await card.locator(".menu-button").click();
  await page.getByRole("menuitem", { name: kind, exact: true }).click();
  await page.locator("change-stream .cc-note", { hasText: `Copied: ${kind}` }).waitFor();
  return { page, site, text: await page.evaluate(() => navigator.clipboard.readText()) };
}

/** What a program says until all of `words` were in it. */
function said(t, command, args, words, input) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, PYTHONUNBUFFERED: "1", NO_PROXY: "127.0.0.1" } });
  t.after(() => child.kill("SIGKILL"));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    let output = "";
    const collect = (chunk) => {
      output += chunk;
      if (words.every((word) => output.includes(word))) resolve(output);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`ended with ${code}:\n${output}`)));
  });
}

test("curl goes on after the card", TEST_LIMIT, async (t) => {
  const { text } = await copyOfSecond(t, "curl");
  const output = await said(t, "bash", [], ['"_id":"three"', '"_id":"four"'], `exec ${text}`);
  assert.doesNotMatch(output, /"_id":"(one|two)"/);
});

test("Python goes on after the card", TEST_LIMIT, async (t) => {
  const { text } = await copyOfSecond(t, "Python");
  const output = await said(t, path.join(HERE, ".venv/bin/python"), ["-"], ["insert {'_id': 'three'}", "insert {'_id': 'four'}"], text);
  assert.doesNotMatch(output, /one|two/);
});

test("JavaScript goes on after the card", TEST_LIMIT, async (t) => {
  const { page, site, text } = await copyOfSecond(t, "JavaScript");
  site.html = `<!doctype html><script>
    window.lines = [];
    console.log = (id, ...rest) => lines.push(rest);
  </script><script type="module">${text}</script>`;
  await page.goto(`${site.origin}/program`);
  await page.waitForFunction(() => lines.length === 2);
  const lines = await page.evaluate(() => lines);
  assert.deepEqual(lines, [["insert", { _id: "three" }], ["insert", { _id: "four" }]]);
});
