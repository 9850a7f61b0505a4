// <change-stream> on a page of another origin, under a policy that allows no style but the page's own, against the real binary.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { launchChromium } from "./chromium.mjs";
import { Server } from "./server.mjs";
import { ATTACKS } from "./xss.mjs";

const WAIT_MS = 15_000;
const TEST_LIMIT = { timeout: 90_000 };
const SCREENSHOTS = process.env.CHANGECAST_SCREENSHOTS;

let browser;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/** Somebody else's site. Its policy names the server for scripts and connections, and allows no inline style. */
class Site {
  static async start(t) {
    const site = new Site();
    site.html = "";
    const server = createServer((request, response) => {
      const isPage = new URL(request.url, "http://site").pathname === "/";
      response.writeHead(isPage ? 200 : 404, { "content-type": "text/html; charset=utf-8", ...(site.policy && { "content-security-policy": site.policy }) });
      response.end(isPage ? site.html : "");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    site.origin = `http://127.0.0.1:${server.address().port}`;
    return site;
  }

  serve(server, element) {
    this.policy = `default-src 'none'; script-src ${server.origin}; connect-src ${server.origin}; require-trusted-types-for 'script'; trusted-types 'none'`;
    this.html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
      <title>A shop</title><script type="module" src="${server.origin}/change-stream.js"></script>
      <h1>Orders</h1>${element}`;
  }
}

/** A server that lets the site in, and the site. */
async function startBoth(t) {
  const site = await Site.start(t);
  process.env.CHANGECAST_ALLOW_ORIGIN = site.origin;
  const server = await Server.start(t);
  return { site, server };
}

async function openSite(t, site, server, { expectedErrors, alsoOrigin, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (![site.origin, server.origin, alsoOrigin].includes(origin)) faults.push(`foreign request: ${request.url()}`);
  });
  page.on("pageerror", (error) => faults.push(`script error: ${error}`));
  page.on("console", (message) => {
    if (message.type() !== "error" || message.location().url.endsWith("/favicon.ico")) return;
    if (!expectedErrors?.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  await context.exposeBinding("reportViolation", (_, violation) => faults.push(`policy violation: ${violation}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => event.blockedURI.endsWith("/favicon.ico") || reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
  });
  t.after(() => context.close());
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(`${site.origin}/`);
  page.assertClean = () => assert.deepEqual(faults, []);
  return page;
}

const stream = (page) => page.locator("change-stream");
const stateIs = (page, state) => page.locator(`change-stream .state[data-state="${state}"]`).waitFor();
/** Keys of the cards, oldest first. */
const shownKeys = async (page) => (await page.locator("change-stream .card .key").allTextContents()).reverse();

async function keysBecome(page, expected) {
  try {
    await page.waitForFunction((wanted) => {
      const keys = [...document.querySelector("change-stream").shadowRoot.querySelectorAll(".card .key")].map((key) => key.textContent);
      return JSON.stringify(keys.reverse()) === JSON.stringify(wanted);
    }, expected, { polling: 50 });
  } catch {
    assert.deepEqual(await shownKeys(page), expected);
  }
}

describe("<change-stream>", () => {
  test("follows from another origin with one tag, whatever its policy says of styles", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    await server.insert("a", "b", "c");
    site.serve(server, `<change-stream src="${server.origin}" topic="test.test" since="last:2"></change-stream>`);
    const page = await openSite(t, site, server);
    await stateIs(page, "live");
    await keysBecome(page, ["b", "c"]);
    await server.insert("d");
    await keysBecome(page, ["b", "c", "d"]);
    assert.equal(await stream(page).locator(".word").textContent(), "Live");
    assert.equal(await stream(page).locator(".state .count").textContent(), "3 received");
    // The looks are there.
    const looks = await stream(page).locator(".card").first().evaluate((card) => {
      const { borderLeftWidth, borderRadius } = getComputedStyle(card);
      return { borderLeftWidth, borderRadius, color: getComputedStyle(card.querySelector(".badge")).color };
    });
    assert.deepEqual([looks.borderLeftWidth, looks.borderRadius], ["3px", "10px"]);
    assert.notEqual(looks.color, "rgb(0, 0, 0)");
    page.assertClean();
  });

  test("a page that --allow-origin does not name is told why it sees nothing", TEST_LIMIT, async (t) => {
    const site = await Site.start(t);
    process.env.CHANGECAST_ALLOW_ORIGIN = "https://other.example.org";
    const server = await Server.start(t);
    site.serve(server, `<change-stream src="${server.origin}"></change-stream>`);
    const page = await openSite(t, site, server, { expectedErrors: /CORS|Failed to load resource|ERR_/ });
    // In one step, since it tries again meanwhile.
    const line = stream(page).locator('.state[data-state="waiting"]', { hasText: /^Reconnecting/ });
    await line.filter({ hasText: /does not let this page in|cannot be reached/ }).waitFor();
    page.assertClean();
  });

  test("tells its page of changes, gaps and states", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    await server.insert("a");
    site.serve(server, "<main></main>");
    const page = await openSite(t, site, server);
    await page.evaluate((src) => {
      window.told = [];
      const made = document.createElement("change-stream");
      for (const name of ["change", "gap", "state"]) {
        made.addEventListener(name, (event) => told.push([name, event.detail.name ?? event.detail.topic ?? event.detail.scope, event instanceof CustomEvent]));
      }
      made.setAttribute("src", src);
      // Of a log that was before this one.
      made.setAttribute("since", "aaaaaaaa-7");
      document.querySelector("main").append(made);
    }, server.origin);
    await keysBecome(page, ["a"]);
    await stateIs(page, "live");
    const told = await page.evaluate(() => told);
    assert.deepEqual(told[0], ["state", "connecting", true]);
    assert.deepEqual(told.filter(([name]) => name !== "state"), [["gap", "log", true], ["change", "test.test", true]]);
    assert.deepEqual(told.at(-1).slice(0, 1), ["state"]);
    assert.deepEqual(await page.locator("change-stream .card .badge").allTextContents(), ["insert", "gap"]);
    assert.match(await page.evaluate(() => document.querySelector("change-stream").follower.position), /^[a-z2-7]{8}-\d+$/);
    page.assertClean();
  });

  test("begins anew when an attribute says something else, once for all of them", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    await server.write("PUT", "small", { size: 1 });
    await server.write("PUT", "large", { size: 9 });
    site.serve(server, `<change-stream src="${server.origin}" since="earliest"></change-stream>`);
    const page = await openSite(t, site, server);
    await keysBecome(page, ["small", "large"]);
    const requests = [];
    page.on("request", (request) => requests.push(new URL(request.url())));
    await page.evaluate(() => {
      const made = document.querySelector("change-stream");
      made.setAttribute("match", '{"fullDocument.size":{"$gt":5}}');
      made.setAttribute("topic", "test.test, other.*");
      made.setAttribute("max", "50");
    });
    await keysBecome(page, ["large"]);
    // Requests that were on their way are as before; the others know all that was said.
    const asked = new Set(requests.map((url) => JSON.stringify([url.searchParams.getAll("topic"), url.searchParams.get("match")])));
    asked.delete(JSON.stringify([[], null]));
    assert.deepEqual([...asked], [JSON.stringify([["other.*", "test.test"], '{"fullDocument.size":{"$gt":5}}'])]);
    await page.evaluate(() => document.querySelector("change-stream").setAttribute("match", "{nonsense"));
    await stateIs(page, "closed");
    assert.match(await stream(page).locator(".detail").textContent(), /the filter is not JSON/);
    await page.evaluate(() => document.querySelector("change-stream").removeAttribute("match"));
    await keysBecome(page, ["small", "large"]);
  });

  test("closes with its page's element, and survives a move", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    site.serve(server, `<change-stream src="${server.origin}"></change-stream><section></section>`);
    const page = await openSite(t, site, server);
    await stateIs(page, "live");
    await server.insert("a");
    await keysBecome(page, ["a"]);
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    await page.evaluate(() => {
      window.made = document.querySelector("change-stream");
      window.first = made.follower;
      document.querySelector("section").append(made);
    });
    await server.insert("b");
    await keysBecome(page, ["a", "b"]);
    assert.ok(await page.evaluate(() => made.follower === first));
    assert.deepEqual(requests, []);

    await page.evaluate(async () => {
      made.remove();
      await null;
    });
    assert.deepEqual(await page.evaluate(() => [made.follower, first.state.name]), [undefined, "closed"]);
    await page.evaluate(() => document.body.append(made));
    await stateIs(page, "live");
    await server.insert("c");
    await keysBecome(page, ["c"]);
    page.assertClean();
  });

  test("pauses with a counter, by its button and from the page", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    site.serve(server, `<change-stream src="${server.origin}"></change-stream>`);
    const page = await openSite(t, site, server);
    await stateIs(page, "live");
    await server.insert("a");
    await keysBecome(page, ["a"]);
    const pause = stream(page).locator(".pause");
    assert.equal(await pause.textContent(), "Pause");
    await pause.click();
    await server.insert("b", "c");
    await pause.filter({ hasText: "Resume +2" }).waitFor();
    assert.deepEqual(await shownKeys(page), ["a"]);
    await pause.click();
    await keysBecome(page, ["a", "b", "c"]);
    await page.evaluate(() => document.querySelector("change-stream").pause());
    await pause.filter({ hasText: "Resume" }).waitFor();
    await page.evaluate(() => document.querySelector("change-stream").resume());
    await page.evaluate(() => document.querySelector("change-stream").clear());
    await keysBecome(page, []);
    page.assertClean();
  });

  test("keeps as many as it is told to, and goes on where it was after a restart of the server", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    site.serve(server, `<change-stream src="${server.origin}" max="3" since="earliest"></change-stream>`);
    const page = await openSite(t, site, server, { expectedErrors: /Failed to load resource|ERR_|CORS/ });
    await stateIs(page, "live");
    await server.insert("a", "b");
    await keysBecome(page, ["a", "b"]);
    await server.kill();
    await stateIs(page, "waiting");
    await server.restart();
    await server.insert("c", "d");
    await keysBecome(page, ["b", "c", "d"]);
    await stateIs(page, "live");
    page.assertClean();
  });

  test("shows each of 2,000 changes once, in order, though the connection breaks among them", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    site.serve(server, `<change-stream src="${server.origin}" max="5000" since="earliest"></change-stream>`);
    const page = await openSite(t, site, server, { expectedErrors: /Failed to load resource|ERR_|CORS/ });
    await stateIs(page, "live");
    const numbers = Array.from({ length: 2_000 }, (_, index) => index);
    for (let from = 0; from < numbers.length; from += 20) {
      await Promise.all(numbers.slice(from, from + 20).map((number) => server.write("PUT", String(number), { number })));
      if (from % 500 === 260) await page.evaluate(() => document.querySelector("change-stream").follower.drop());
      if (from === 1_000) {
        await server.kill();
        await server.restart();
      }
    }
    await stream(page).locator(".state .count", { hasText: "2,000 received" }).waitFor();
    const expected = (await server.lastChanges(2_000)).map(({ documentKey }) => documentKey._id).reverse();
    const met = await page.evaluate(async () => {
      const list = document.querySelector("change-stream").shadowRoot.querySelector(".list");
      const seen = new Map();
      for (;;) {
        for (const card of list.querySelectorAll(".card")) seen.set(card.querySelector(".event-id").textContent, card.querySelector(".key").textContent);
        const before = list.scrollTop;
        list.scrollBy(0, list.clientHeight);
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        if (list.scrollTop === before) return [...seen];
      }
    });
    const seq = ([id]) => Number(id.split("-")[1]);
    assert.deepEqual(met.map(seq), met.map(seq).sort((one, other) => other - one), "newest first");
    assert.deepEqual(met.map(([, key]) => key), expected);
    page.assertClean();
  });

  test("takes its colours and fonts from the page, and its theme from the attribute", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    await server.insert("a");
    site.serve(server, `<change-stream src="${server.origin}" since="earliest" theme="dark"></change-stream>`);
    const page = await openSite(t, site, server, { colorScheme: "light", reducedMotion: "reduce" });
    await keysBecome(page, ["a"]);
    const colour = (property) => stream(page).locator(".card").evaluate((node, name) => getComputedStyle(node)[name], property);
    assert.equal(await colour("backgroundColor"), "rgb(22, 27, 33)");
    await page.evaluate(() => document.querySelector("change-stream").setAttribute("theme", "light"));
    assert.equal(await colour("backgroundColor"), "rgb(255, 255, 255)");
    await page.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync("change-stream { --cc-surface: rgb(1, 2, 3); } change-stream::part(card) { border-radius: 0; } change-stream::part(state) { order: 2; }");
      document.adoptedStyleSheets = [sheet];
    });
    assert.equal(await colour("backgroundColor"), "rgb(1, 2, 3)");
    assert.equal(await colour("borderRadius"), "0px");
    await page.evaluate(() => document.querySelector("change-stream").setAttribute("theme", "auto"));
    assert.equal(await page.evaluate(() => document.querySelector("change-stream").shadowRoot.querySelector("[data-theme]")), null);
    page.assertClean();
  });

  test("by the keyboard: selects, folds, pauses", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    await server.insert("a", "b", "c");
    site.serve(server, `<change-stream src="${server.origin}" since="earliest"></change-stream>`);
    const page = await openSite(t, site, server);
    await keysBecome(page, ["a", "b", "c"]);
    await stream(page).locator(".pause").focus();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    assert.equal(await stream(page).locator(".selected .key").textContent(), "b");
    await page.keyboard.press("Enter");
    assert.match(await stream(page).locator(".selected").getAttribute("class"), /\bfolded\b/);
    await page.keyboard.press("G");
    assert.equal(await stream(page).locator(".selected .key").textContent(), "a");
    await page.keyboard.press("p");
    await stream(page).locator(".pause", { hasText: "Resume" }).waitFor();
    page.assertClean();
  });

  test("what the documents say stays text", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    for (const [index, attack] of ATTACKS.entries()) {
      const own = JSON.parse(`{${JSON.stringify(attack.replace(/\0/g, ""))}: ${JSON.stringify(attack)}}`);
      await server.write("PUT", `${index} ${attack}`.slice(0, 200).replace(/[\0/]/g, "_"), { ...own, nested: [own] });
    }
    site.serve(server, `<change-stream src="${server.origin}" since="earliest"></change-stream>`);
    const page = await openSite(t, site, server);
    await stateIs(page, "live");
    await stream(page).locator(".count", { hasText: `${ATTACKS.length} received` }).waitFor();
    await page.evaluate(async () => {
      const { shadowRoot } = document.querySelector("change-stream");
      const list = shadowRoot.querySelector(".list");
      for (let screen = 0; screen < 40; screen += 1) {
        for (const row of shadowRoot.querySelectorAll('.node.folds[aria-expanded="false"] > .tree-row')) row.click();
        list.scrollBy(0, list.clientHeight);
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
      }
    });
    assert.equal(await page.locator("change-stream :is(script, img, iframe, object, embed, a, input, video, audio, form, style, link, meta, base)").count(), 0);
    assert.equal(await page.evaluate(() => window.__pwned), undefined);
    page.assertClean();
  });

  test("what a server says stays text", TEST_LIMIT, async (t) => {
    const { site, server } = await startBoth(t);
    const words = ATTACKS.join(" ");
    const hostile = createServer((_, response) => {
      response.writeHead(400, { "content-type": "application/problem+json", "access-control-allow-origin": "*" }).end(JSON.stringify({ detail: words }));
    });
    await new Promise((resolve) => hostile.listen(0, "127.0.0.1", resolve));
    t.after(() => hostile.close());
    const origin = `http://127.0.0.1:${hostile.address().port}`;
    site.serve(server, `<change-stream src="${origin}"></change-stream>`);
    site.policy = site.policy.replace("connect-src", `connect-src ${origin}`);
    const page = await openSite(t, site, server, { expectedErrors: /Failed to load resource|EventSource/, alsoOrigin: origin });
    await stateIs(page, "closed");
    assert.match(await stream(page).locator(".detail").textContent(), /^<script>window\.__pwned=1<\/script>/);
    assert.equal(await page.locator("change-stream :is(script, img, iframe, svg[onload])").count(), 0);
    assert.equal(await page.evaluate(() => window.__pwned), undefined);
    page.assertClean();
  });

  const LOOKS = [
    { name: "light", options: { colorScheme: "light" } },
    { name: "dark", options: { colorScheme: "dark" } },
    { name: "narrow", options: { colorScheme: "light", viewport: { width: 320, height: 720 } } },
  ];
  for (const { name, options } of LOOKS) {
    test(`${name}: nothing overflows, and a screenshot`, TEST_LIMIT, async (t) => {
      const { site, server } = await startBoth(t);
      await server.write("PUT", "order-1041", { customer: "Ada", item: "Coffee beans, 1 kg", quantity: 2, price: 18.5, status: "new" });
      await server.write("PATCH", "order-1041", { status: "paid" });
      await server.write("DELETE", "order-1041");
      site.serve(server, `<change-stream src="${server.origin}" topic="test.test" since="last:20"></change-stream>`);
      const page = await openSite(t, site, server, { ...options, reducedMotion: "reduce" });
      await keysBecome(page, Array(3).fill("order-1041"));
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(excess <= 0, `${excess} px wider than the window`);
      const picture = await page.screenshot();
      if (SCREENSHOTS) {
        await mkdir(SCREENSHOTS, { recursive: true });
        await writeFile(path.join(SCREENSHOTS, `element-${name}.png`), picture);
      }
      page.assertClean();
    });
  }
});
