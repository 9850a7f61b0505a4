// The live page in a real browser, and what tests ask of it.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before } from "node:test";
import { launchChromium } from "./chromium.mjs";

const WAIT_MS = 15_000;
const SCREENSHOTS = process.env.CHANGECAST_SCREENSHOTS;
export const TEST_LIMIT = { timeout: 60_000 };

let browser;

/** To be called by every file of tests, once. */
export function useBrowser() {
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser?.close());
}

/** A window of its own. A page in it fails its test on a foreign request, a script or console error, or a violation of the security policy. */
export async function newContext(t, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.after(() => context.close());
  return context;
}

export async function openPage(t, server, { expectedErrors, prepare, query = "", context, ...options } = {}) {
  context ??= await newContext(t, options);
  const page = await context.newPage();
  const faults = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== new URL(server.origin).host && url.protocol !== "blob:") faults.push(`foreign request: ${request.url()}`);
  });
  page.on("pageerror", (error) => faults.push(`script error: ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !expectedErrors?.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  await page.exposeBinding("reportViolation", (_, violation) => faults.push(`policy violation: ${violation}`));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
    // Some states are over before a test can look.
    globalThis.connectionStates = [];
    globalThis.connectionWords = [];
    const attributes = { attributes: true, attributeFilter: ["data-state"] };
    const note = ([{ target }]) => {
      connectionStates.push(target.dataset.state);
      connectionWords.push(target.querySelector("#connection-word").textContent + target.querySelector("#countdown").textContent);
    };
    addEventListener("DOMContentLoaded", () => new MutationObserver(note).observe(document.getElementById("connection"), attributes));
  });
  page.setDefaultTimeout(WAIT_MS);
  await prepare?.(page);
  await page.goto(`${server.origin}/${query}`);
  page.assertClean = () => assert.deepEqual(faults, []);
  return page;
}

export async function openLivePage(t, server, options) {
  const page = await openPage(t, server, options);
  await connectionIs(page, "live");
  return page;
}

export const connectionIs = (page, state) => page.locator(`#connection[data-state="${state}"]`).waitFor();

/** That it is now, or has been since the page was opened. */
export const connectionWas = (page, state) => page.waitForFunction((wanted) => connectionStates.includes(wanted), state, { polling: 50 });

/** Keys of the shown changes, oldest first. */
export const shownKeys = async (page) => (await page.locator("#changes .card .key").allTextContents()).reverse();

export async function keysBecome(page, expected) {
  const wanted = [...expected].reverse();
  try {
    await page.waitForFunction((keys) => {
      const shown = [...document.querySelectorAll("#changes .card .key")].map((key) => key.textContent);
      return JSON.stringify(shown) === JSON.stringify(keys);
    }, wanted, { polling: 50 });
  } catch {
    assert.deepEqual(await shownKeys(page), expected);
  }
}

/** The newest card, once it is of this operation. */
export async function newestCard(page, operation) {
  await page.waitForFunction((wanted) => document.querySelector("#changes .card .badge")?.textContent === wanted, operation, { polling: 50 });
  return page.locator("#changes .card").first();
}

/** The value of a field that a card shows: a document's, or what an update made of it. */
export async function shownField(card, name) {
  return card.evaluate((node, wanted) => {
    for (const found of node.querySelectorAll(".name")) {
      if (found.textContent !== wanted) continue;
      const line = found.closest(".tree-row, .delta");
      const values = line?.querySelectorAll(".value") ?? [];
      return values[values.length - 1]?.textContent;
    }
    return undefined;
  }, name);
}

/** What the address says was chosen. */
export const queryOf = (page) => Object.fromEntries(
  [...new URL(page.url()).searchParams.keys()].map((name) => [name, new URL(page.url()).searchParams.getAll(name).join(" ")]),
);

export async function addressBecomes(page, expected) {
  await page.waitForFunction((wanted) => {
    const query = new URLSearchParams(location.search);
    const now = Object.fromEntries([...query.keys()].map((name) => [name, query.getAll(name).join(" ")]));
    return JSON.stringify(Object.entries(now).sort()) === JSON.stringify(Object.entries(wanted).sort());
  }, expected, { polling: 50 }).catch(async () => assert.deepEqual(queryOf(page), expected));
}

export async function saveScreenshot(page, name, options) {
  const picture = await page.screenshot(options);
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await writeFile(path.join(SCREENSHOTS, `page-${name}.png`), picture);
}
