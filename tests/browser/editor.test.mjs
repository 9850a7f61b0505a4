// The editor for the embedded store's documents.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keysBecome, openLivePage, TEST_LIMIT, useBrowser } from "./live-page.mjs";
import { Server } from "./server.mjs";

useBrowser();

const documentOf = async (server, key) => {
  const answer = await fetch(`${server.origin}/documents/test/test/${encodeURIComponent(key)}`);
  return answer.status === 404 ? undefined : answer.json();
};

async function openEditor(t, server) {
  const page = await openLivePage(t, server, { expectedErrors: /^Failed to load resource/ });
  await page.locator("#editor-open").click();
  return page;
}

const noteIs = (page, text) => page.locator("#editor-note", { hasText: text }).waitFor();

describe("the document editor", () => {
  test("makes, opens, saves, patches and deletes documents, and the list shows each change", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.write("PUT", "a/b ?", { title: "old", size: 1, parts: { x: 1, y: 2 } });
    const page = await openEditor(t, server);
    await page.locator("#editor-keys .entry", { hasText: "a/b ?" }).click();
    await page.waitForFunction(() => document.getElementById("editor-text").value.includes('"old"'));
    assert.deepEqual(JSON.parse(await page.locator("#editor-text").inputValue()), { title: "old", size: 1, parts: { x: 1, y: 2 } });

    await page.locator("#editor-text").fill('{"title": "new", "parts": {"x": 1, "y": 3}}');
    await page.locator("#editor-patch").click();
    await noteIs(page, 'Patched with {"size":null,"title":"new","parts":{"y":3}}');
    assert.deepEqual(await documentOf(server, "a/b ?"), { _id: "a/b ?", title: "new", parts: { x: 1, y: 3 } });

    await page.locator("#editor-text").fill('{"only": true}');
    await page.locator("#editor-save").click();
    await noteIs(page, "Saved.");
    assert.deepEqual(await documentOf(server, "a/b ?"), { _id: "a/b ?", only: true });

    await page.locator("#editor-new").click();
    await page.locator("#editor-key").fill("second");
    await page.locator("#editor-text").fill("{}");
    await page.locator("#editor-save").click();
    await noteIs(page, "Inserted.");
    await page.locator("#editor-delete").click();
    await noteIs(page, "Deleted.");
    assert.equal(await documentOf(server, "second"), undefined);
    assert.deepEqual(await page.locator("#editor-keys .entry .mono").allTextContents(), ["a/b ?"]);
    await page.keyboard.press("Escape");
    await keysBecome(page, ["a/b ?", "a/b ?", "a/b ?", "second", "second"]);
    page.assertClean();
  });

  test("errors are the server's, in words", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.write("PUT", "a", { n: 1 });
    const page = await openEditor(t, server);
    await page.locator("#editor-keys .entry").click();
    await page.locator("#editor-delete:enabled").waitFor();
    for (const text of ["{", "[1]", '"text"']) {
      await page.locator("#editor-text").fill(text);
      await page.locator("#editor-save").click();
      await page.locator("#editor-note.error:not(:empty)").waitFor();
      await page.locator("#editor-note").evaluate((note) => note.replaceChildren());
      await page.locator("#editor-patch").click();
      await page.locator("#editor-note.error:not(:empty)").waitFor();
    }
    await server.write("DELETE", "a");
    await page.locator("#editor-text").fill('{"n": 2}');
    await page.locator("#editor-patch").click();
    await noteIs(page, /./);
    assert.deepEqual(await documentOf(server, "a"), undefined);
    page.assertClean();
  });

  test("tells that somebody else has changed the document", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.write("PUT", "a", { n: 1 });
    const page = await openEditor(t, server);
    await page.locator("#editor-keys .entry").click();
    await page.locator("#editor-delete:enabled").waitFor();
    await page.locator("#editor-text").fill('{"n": 10}');
    await server.write("PUT", "a", { n: 2 });
    await page.locator("#editor-news").waitFor();
    await page.locator("#editor-reload").click();
    await page.waitForFunction(() => document.getElementById("editor-text").value.includes('"n": 2'));
    assert.ok(await page.locator("#editor-news").isHidden());
  });

  test("pages through many documents, of any collection", TEST_LIMIT, async (t) => {
    const server = await Server.start(t);
    for (let number = 0; number < 60; number += 1) await server.write("PUT", `d${String(number).padStart(2, "0")}`, {}, "things");
    const page = await openEditor(t, server);
    await page.locator("#editor-collection").fill("things");
    await page.locator("#editor-collection").blur();
    await page.locator("#editor-more").click();
    await page.waitForFunction(() => document.querySelectorAll("#editor-keys .entry").length === 60);
    assert.ok(await page.locator("#editor-more").isHidden());
    page.assertClean();
  });
});
