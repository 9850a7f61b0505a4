// Our server-sent events through other people's parsers: Chromium's, that of npm's `eventsource`, and that of PyPI's `httpx-sse`.
// What a real server has sent is recorded, and sent again one byte at a time.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { EventSource } from "eventsource";
import { launchChromium } from "./chromium.mjs";
import { Server } from "./server.mjs";

const LIMIT = { timeout: 60_000 };
/** Ends lines, ends texts, ends lines in some languages, takes four bytes. */
const NASTY = "a\rb\nc\r\n\r\nevent: evil\ndata: pwn\n\n\0 😀 \u{85} \u{2028} \u{2029} \u{FEFF}é";
const NEWS = 'event: source\ndata: {"source":"test","state":"live"}\n\n';
const TYPES = ["message", "hello", "gap", "source", "bookmark"];

/* ---------- Recording ---------- */

/** A stream's body, as far as it has come. */
class Recording {
  chunks = [];

  static async of(server, query) {
    const recording = new Recording();
    // An id of another log: there has to be a gap.
    const headers = { "Last-Event-ID": "aaaaaaaa-7" };
    const answer = await fetch(`${server.origin}/events?topic=test.test${query}`, { headers });
    recording.reader = answer.body.getReader();
    return recording;
  }

  /** Reads on until the text looks like that; without, to the end. */
  async until(pattern) {
    while (!pattern?.test(this.text())) {
      const { done, value } = await this.reader.read();
      if (done) return assert.equal(pattern, undefined, `the stream ended: ${this.text()}`);
      this.chunks.push(value);
    }
  }

  bytes() {
    return Buffer.concat(this.chunks);
  }

  text() {
    return this.bytes().toString();
  }

  /** What an EventSource hands to its page; by the standard, an id holds for later events, too. We write a small part of what may be written, so this is short. */
  events({ keepsId = true } = {}) {
    let id = "";
    return this.text().split("\n\n").flatMap((block) => {
      const lines = block.split("\n");
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      id = field("id") ?? (keepsId ? id : "");
      const data = field("data");
      return data === undefined ? [] : [{ type: field("event") ?? "message", data, id }];
    });
  }

  /** The id of the bookmark, which comes last. */
  lastId() {
    return /[^]*^id: (.*)$/m.exec(this.text())[1];
  }
}

/* ---------- Replaying ---------- */

/** Answers the first request for a path with a recording, byte by byte, and any later one in a way that ends an EventSource. */
class Stub {
  constructor(recordings) {
    this.recordings = recordings;
    /** The `Last-Event-ID` that each path was asked for again with. */
    this.asked = new Map();
    this.seen = new Set();
    this.server = net.createServer((socket) => this.answer(socket).catch(() => socket.destroy()));
  }

  async listen() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
  }

  async answer(socket) {
    socket.setNoDelay();
    let head = "";
    while (!head.includes("\r\n\r\n")) head += (await once(socket, "data"))[0];
    const target = /^GET (\S+)/.exec(head)[1];
    const recording = this.recordings[target.split("/")[1]];
    if (recording && !this.seen.has(target)) {
      this.seen.add(target);
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
      for (const byte of recording.bytes()) await write(socket, Buffer.of(byte));
    } else if (recording) {
      this.asked.set(target, /^last-event-id: (.*)\r$/im.exec(head)?.[1]);
      socket.write("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    } else {
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    socket.end();
  }
}

function write(socket, bytes) {
  return new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())));
}

/* ---------- The parsers ---------- */

/** Follows a stream up to the end of its second life, where nothing comes. Runs in Chromium, too, so it knows nothing from outside. */
function follow({ url, types, EventSource = globalThis.EventSource }) {
  return new Promise((resolve) => {
    const events = [];
    const source = new EventSource(url);
    for (const type of types) {
      source.addEventListener(type, (event) => events.push({ type: event.type, data: event.data, id: event.lastEventId }));
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) resolve(events);
    });
  });
}

async function inChromium(t, stub, target) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(stub.origin);
  return page.evaluate(follow, { url: stub.origin + target, types: TYPES });
}

async function inPython(url) {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const python = path.join(here, ".venv/bin/python");
  const { stdout } = await promisify(execFile)(python, [path.join(here, "httpx_sse_client.py"), url]);
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/* ---------- The tests ---------- */

let browser;
let stub;
const recordings = {};

describe("a recorded stream, byte by byte", { concurrency: true }, () => {
  before(async () => {
    browser = await launchChromium();
    const cleanups = [];
    const server = await Server.start({ after: (cleanup) => cleanups.push(cleanup) });
    try {
      while (!(await (await fetch(`${server.origin}/sources`)).text()).includes('"live"'));
      recordings.blocks = await Recording.of(server, "");
      recordings.events = await Recording.of(server, "&bookmarks=event");
      await server.write("PUT", "1", { text: NASTY });
      await server.write("PUT", "2", {});
      await server.write("DELETE", "2");
      // Not theirs: only a bookmark tells that it has been passed.
      const other = await fetch(`${server.origin}/documents/test/other/3`, { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" });
      assert.ok(other.ok);
      await recordings.blocks.until(/\n\nid: .*\n\n$/);
      await recordings.events.until(/^event: bookmark\nid: .*\ndata: .*\n\n/m);
      server.process.kill("SIGTERM");
      await recordings.blocks.until();
      await recordings.events.until();
    } finally {
      for (const cleanup of cleanups) await cleanup();
    }
    // News of a source have no id of their own. When they come is chance, so they are put where they tell most.
    for (const recording of Object.values(recordings)) recording.chunks.push(Buffer.from(NEWS));
    stub = new Stub(recordings);
    await stub.listen();
  }, LIMIT);

  after(async () => {
    stub?.server.close();
    await browser?.close();
  });

  test("it holds all that a server tells", () => {
    const types = recordings.blocks.events().map((event) => event.type);
    assert.deepEqual(types, ["hello", "gap", "message", "message", "message", "source"]);
    assert.deepEqual(recordings.events.events().map((event) => event.type), types.toSpliced(-1, 0, "bookmark"));
    assert.equal(JSON.parse(recordings.blocks.events()[2].data).fullDocument.text, NASTY);
    for (const recording of Object.values(recordings)) assert.match(recording.text(), /\n\nretry: \d+\n\nevent: source\n/);
  });

  for (const kind of ["blocks", "events"]) {
    test(`Chromium, bookmarks as ${kind}: it comes back from the bookmark`, LIMIT, async (t) => {
      const target = `/${kind}/chromium`;
      assert.deepEqual(await inChromium(t, stub, target), recordings[kind].events());
      assert.equal(stub.asked.get(target), recordings[kind].lastId());
    });

    test(`eventsource, bookmarks as ${kind}: it comes back from what it has seen as an event`, LIMIT, async () => {
      const target = `/${kind}/eventsource`;
      const events = await follow({ url: stub.origin + target, types: TYPES, EventSource });
      const expected = recordings[kind].events({ keepsId: false });
      assert.deepEqual(events, expected);
      assert.equal(stub.asked.get(target), expected.at(-2).id);
    });

    test(`httpx-sse, bookmarks as ${kind}: blocks without data are events without data`, LIMIT, async () => {
      const id = recordings[kind].lastId();
      const empty = { type: "message", data: "", id };
      // A block with an id only, and one that says when to come back.
      const more = kind === "blocks" ? [empty, empty] : [empty];
      const expected = recordings[kind].events().toSpliced(-1, 0, ...more);
      assert.deepEqual(await inPython(`${stub.origin}/${kind}/httpx`), expected);
    });
  }
});
