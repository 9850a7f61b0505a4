// changecast.js, as the real binary serves it: in Chromium, and in Node.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { EventSource } from "eventsource";
import { launchChromium } from "./chromium.mjs";
import { Proxy } from "./proxy.mjs";
import { Server } from "./server.mjs";

const WAIT_MS = 20_000;
const LIMIT = { timeout: 90_000 };

let browser;
let folder;
before(async () => {
  browser = await launchChromium();
  folder = await mkdtemp(path.join(tmpdir(), "changecast-client-"));
});
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/* ---------- Where it runs ---------- */

/** Follows, and keeps what it is told. Runs in Chromium, too, so it knows nothing from outside. */
function record({ changecast, server, options, documents }) {
  const told = { ids: [], keys: [], topics: [], gaps: [], states: [], lists: [], documents: {} };
  const onDocuments = (state) => {
    told.lists.push(state.documents.length);
    told.documents = Object.fromEntries(state.documents.map((document) => [document._id, document]));
  };
  const follower = documents
    ? changecast.followDocuments(server, "test", "test", onDocuments, options)
    : changecast.follow(server, options);
  follower.onMessage = ({ id, topic, change, size }) => {
    told.ids.push(id);
    told.topics.push(topic);
    told.keys.push(change.documentKey?._id);
    told.size = size;
    if (change.fullDocument) told.documents[change.documentKey._id] = change.fullDocument;
    else delete told.documents[change.documentKey?._id];
  };
  follower.onGap = (gap) => told.gaps.push(gap);
  follower.onState = (state) => told.states.push(state);
  return { follower, told };
}

/** A tab of Chromium, on a page of this origin. */
class Tab {
  static async open(context, origin, { library = origin } = {}) {
    const tab = new Tab();
    tab.page = await context.newPage();
    tab.page.setDefaultTimeout(WAIT_MS);
    await tab.page.goto(`${origin}/topics`);
    await tab.page.evaluate(async ([url, source]) => {
      globalThis.changecast = await import(url);
      globalThis.record = new Function(`return ${source}`)();
    }, [`${library}/changecast.js`, record.toString()]);
    return tab;
  }

  async follow(server, options = {}, documents = false) {
    await this.page.evaluate(([server, options, documents]) => {
      Object.assign(globalThis, record({ changecast, server, options, documents }));
    }, [server, options, documents]);
    return this;
  }

  told() {
    return this.page.evaluate(() => told);
  }

  look(name) {
    return this.page.evaluate((name) => follower[name], name);
  }

  do(name) {
    return this.page.evaluate((name) => follower[name](), name);
  }
}

/** The same in this process, by an `EventSource` or without one. */
class InNode {
  static async open(origin, { EventSource } = {}) {
    const node = new InNode();
    globalThis.EventSource = EventSource;
    node.changecast = await library(origin);
    return node;
  }

  async follow(server, options = {}, documents = false) {
    Object.assign(this, record({ changecast: this.changecast, server, options, documents }));
    return this;
  }
}

/** The client that this server hands out. */
async function library(origin) {
  const answer = await fetch(`${origin}/changecast.js`);
  const file = path.join(folder, "changecast.mjs");
  await writeFile(file, await answer.text());
  return import(file);
}

async function openTab(t, origin, options) {
  const context = await browser.newContext();
  t.after(() => context.close());
  return Tab.open(context, origin, options);
}

/** What it has been told, once that is so. */
async function told(tab, isSo) {
  const until = Date.now() + WAIT_MS;
  for (;;) {
    const now = tab.page ? await tab.told() : tab.told;
    if (isSo(now)) return now;
    if (Date.now() > until) assert.fail(`${isSo} is not so: ${JSON.stringify(now).slice(0, 2_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const isLive = ({ states }) => states.at(-1)?.name === "live";
const isClosed = ({ states }) => states.at(-1)?.name === "closed";
const has = (key) => ({ keys }) => keys.includes(key);

/** Waits until it is so on the server. */
async function subscribersBecome(server, count) {
  const until = Date.now() + WAIT_MS;
  for (;;) {
    const now = await server.subscriberCount();
    if (now === count) return;
    if (Date.now() > until) assert.fail(`${now} subscribers, not ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Chance that can be repeated: mulberry32. */
function randomFrom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const numbered = (from, to) => Array.from({ length: to - from }, (_, index) => `${from + index}`);

/** Ids of one log, each once and in order. */
function assertOrdered(ids) {
  const places = ids.map((id) => Number(id.split("-")[1]));
  assert.deepEqual(places, [...new Set(places)].sort((a, b) => a - b));
}

const CLIENTS = [
  { name: "Chromium, SSE", open: (t, origin) => openTab(t, origin), options: {} },
  { name: "Chromium, WebSocket", open: (t, origin) => openTab(t, origin), options: { transport: "websocket" } },
  { name: "Node without EventSource", open: (t, origin) => InNode.open(origin), options: {} },
  { name: "Node with EventSource", open: (t, origin) => InNode.open(origin, { EventSource }), options: {} },
];

/* ---------- Going on ---------- */

for (const { name, open, options } of CLIENTS) {
  describe(name, () => {
    test("g2, g3: cut connections and restarts leave no hole and repeat nothing", LIMIT, async (t) => {
      const server = await Server.start(t);
      const proxy = await Proxy.start(t, server);
      const client = await open(t, proxy.origin);
      await client.follow(proxy.origin, { ...options, topics: ["test.*"] });
      t.after(() => client.follower?.close());
      await told(client, isLive);

      for (let round = 0; round < 6; round++) {
        const keys = numbered(round * 10, round * 10 + 10);
        await server.insert(...keys.slice(0, 4));
        if (round === 3) {
          await server.kill();
          await server.restart();
        } else {
          proxy.cut();
        }
        await server.insert(...keys.slice(4));
      }
      const { keys, ids, topics, gaps, states, size } = await told(client, has("59"));
      assert.deepEqual(keys, numbered(0, 60));
      assertOrdered(ids);
      assert.deepEqual([...new Set(topics)], ["test.test"]);
      assert.equal(size, JSON.stringify((await server.lastChanges(1))[0]).length);
      assert.deepEqual(gaps, []);
      assert.ok(states.some((state) => state.name === "waiting" && state.retryAt > 0 && state.error));
    });

    test("g2: history that is gone is told as a gap", LIMIT, async (t) => {
      const server = await Server.start(t);
      const client = await open(t, server.origin);
      await server.insert("before");
      await client.follow(server.origin, { ...options, since: "earliest" });
      t.after(() => client.follower?.close());
      await told(client, (now) => has("before")(now) && isLive(now));

      await server.kill();
      await rm(path.join(server.directory, "data"), { recursive: true });
      await server.restart();
      await server.insert("after");
      const { keys, gaps } = await told(client, (now) => has("after")(now) && isLive(now));
      assert.deepEqual(keys, ["before", "after"]);
      assert.deepEqual(gaps.map(({ scope, action }) => ({ scope, action })), [{ scope: "log", action: "refetch" }]);
    });

    test("what the server will never take ends it, in the server's words", LIMIT, async (t) => {
      const server = await Server.start(t);
      const client = await open(t, server.origin);
      for (const [address, wrong, words] of [
        [server.origin, { since: "garbage" }, /^since="garbage" is not valid: it takes now/],
        [server.origin, { match: { "fullDocument.x": { $eqq: 1 } } }, /\$eqq/],
        [server.origin, { topics: ["nodot"] }, /^topic="nodot" is not valid/],
        [`${server.origin}/nowhere`, {}, /^there is no such page/],
      ]) {
        await client.follow(address, { ...options, ...wrong });
        const { states } = await told(client, isClosed);
        assert.match(states.at(-1).error, words);
      }
    });

    test("catching up is told, until it is live", LIMIT, async (t) => {
      const server = await Server.start(t);
      await server.insert(...numbered(0, 20));
      await server.lastChanges(20);
      const client = await open(t, server.origin);
      await client.follow(server.origin, { ...options, since: "earliest" });
      t.after(() => client.follower?.close());
      const { states, keys } = await told(client, isLive);
      const behind = states.find((state) => state.name === "catching-up");
      assert.equal(behind?.behind, 20);
      assert.equal(keys.length, 20);
    });

    test("g2: state, then stream, is the truth under writes", LIMIT, async (t) => {
      const server = await Server.start(t);
      const proxy = await Proxy.start(t, server);
      const client = await open(t, proxy.origin);
      const truth = {};
      const write = async (from, to) => {
        for (const key of numbered(from, to)) {
          truth[key] = { _id: key, n: from };
          await server.write("PUT", key, { n: from });
          if (Number(key) % 7 === 3) {
            delete truth[key];
            await server.write("DELETE", key);
          }
        }
      };
      await write(0, 60);
      const writing = write(40, 100);
      await client.follow(proxy.origin, options, true);
      t.after(() => client.follower?.close());
      await told(client, ({ lists }) => lists.length > 0);
      proxy.cut();
      await writing;
      await server.insert("end");
      truth.end = { _id: "end", title: "document end" };
      const first = await told(client, ({ documents }) => documents.end);
      assert.deepEqual(first.documents, truth);

      // Another log: what was loaded is of no use any more.
      await server.kill();
      await rm(path.join(server.directory, "data"), { recursive: true });
      await server.restart();
      await server.insert("anew");
      const second = await told(client, ({ documents, lists }) => documents.anew && lists.length > 1);
      assert.deepEqual(second.documents, { anew: { _id: "anew", title: "document anew" } });
      assert.ok(second.gaps.length > 0);
    });
  });
}

/* ---------- Loops ---------- */

describe("a loop", () => {
  test("g10: a slow one holds a bounded number, and misses nothing", LIMIT, async (t) => {
    const server = await Server.start(t);
    const { follow } = await library(server.origin);
    globalThis.EventSource = EventSource;
    const follower = follow(server.origin, { since: "earliest" });
    const paused = new Promise((resolve) => (follower.onState = ({ retryAt }) => retryAt === Infinity && resolve()));
    for (let from = 0; from < 2_500; from += 100) await Promise.all(numbered(from, from + 100).map((key) => server.insert(key)));
    await paused;
    await subscribersBecome(server, 0);
    assert.match(follower.position, /-1000$/);
    const ids = [];
    for await (const { id } of follower) if (ids.push(id) === 2_500) break;
    assertOrdered(ids);
    assert.deepEqual(follower.state, { name: "closed" });
    await subscribersBecome(server, 0);
  });

  test("an AbortSignal ends it, and a refusal is thrown", LIMIT, async (t) => {
    const server = await Server.start(t);
    const { follow } = await library(server.origin);
    await server.insert("0", "1");
    const stop = new AbortController();
    const seen = [];
    for await (const { change } of follow(server.origin, { since: "earliest", signal: stop.signal })) {
      seen.push(change.documentKey._id);
      if (seen.length === 2) stop.abort();
    }
    assert.deepEqual(seen, ["0", "1"]);
    for await (const _ of follow(server.origin, { signal: stop.signal })) assert.fail("it was over before it began");
    await assert.rejects(async () => {
      for await (const _ of follow(server.origin, { since: "garbage" })) assert.fail("there is nothing");
    }, /since="garbage" is not valid/);
    await subscribersBecome(server, 0);
  });

  test("one that is closed by what it hands over leaves nothing behind", LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert("0");
    const { follow, followDocuments } = await library(server.origin);
    for (const source of [undefined, EventSource]) {
      globalThis.EventSource = source;
      await new Promise((resolve) => {
        const follower = followDocuments(server.origin, "test", "test", () => resolve(follower.close()));
      });
      await new Promise((resolve) => {
        const follower = follow(server.origin, { since: "earliest" });
        follower.onMessage = () => resolve(follower.close());
      });
      await new Promise((resolve) => {
        const follower = follow(server.origin);
        follower.onState = () => resolve(follower.close());
      });
      // By the time that this one has been served, any of those would have been.
      for await (const _ of follow(server.origin, { since: "earliest" })) break;
      await subscribersBecome(server, 0);
    }
  });

  test("what came before onMessage was set is not lost", LIMIT, async (t) => {
    const server = await Server.start(t);
    const { follow } = await library(server.origin);
    await server.insert("0", "1");
    await server.lastChanges(2);
    const follower = follow(server.origin, { since: "earliest" });
    t.after(() => follower.close());
    await new Promise((resolve) => (follower.onState = ({ name }) => name === "live" && resolve()));
    const seen = [];
    follower.onMessage = ({ change }) => seen.push(change.documentKey._id);
    assert.deepEqual(seen, ["0", "1"]);
  });
});

/* ---------- What is given ---------- */

describe("given", () => {
  test("a string is one topic", LIMIT, async (t) => {
    const server = await Server.start(t);
    const { follow } = await library(server.origin);
    await server.insert("0");
    for await (const { topic } of follow(server.origin, { topics: "test.test", since: "earliest" })) {
      assert.equal(topic, "test.test");
      break;
    }
    await assert.rejects(async () => {
      for await (const _ of follow(server.origin, { topics: "nodot" })) assert.fail("there is nothing");
    }, /topic="nodot" is not valid/);
  });

  test("an option or a transport that there is not throws", LIMIT, async (t) => {
    const { origin } = await Server.start(t);
    const { follow, followDocuments } = await library(origin);
    const followBoth = [
      (options) => follow(origin, options),
      (options) => followDocuments(origin, "test", "test", () => {}, options),
    ];
    for (const followSo of followBoth) {
      for (const name of ["topic", "onMessage"]) {
        const message = new RegExp(`no option "${name}": there are .*match, mode, format, transport, shared, signal`);
        assert.throws(() => followSo({ [name]: "test.test" }), { name: "TypeError", message });
      }
      const message = 'there is no transport "ws": there are sse, websocket';
      assert.throws(() => followSo({ transport: "ws" }), { name: "TypeError", message });
    }
    for (const name of ["topics", "since"]) assert.throws(() => followBoth[1]({ [name]: "now" }), TypeError);
  });

  test("websocket where there is none is told, for good", LIMIT, async (t) => {
    const { origin } = await Server.start(t);
    const { follow, followDocuments } = await library(origin);
    const { WebSocket } = globalThis;
    t.after(() => (globalThis.WebSocket = WebSocket));
    globalThis.WebSocket = undefined;
    const options = { transport: "websocket" };
    for (const follower of [follow(origin, options), followDocuments(origin, "test", "test", () => {}, options)]) {
      await assert.rejects(follower[Symbol.asyncIterator]().next(), {
        message: "there is no WebSocket here: use Node.js 22 or later, or sse",
      });
      assert.equal(follower.state.name, "closed");
    }
  });

  test("an address without a scheme throws, and a path is the page's", LIMIT, async (t) => {
    const { origin } = await Server.start(t);
    const { follow, followDocuments } = await library(origin);
    t.after(() => delete globalThis.location);
    const signal = AbortSignal.abort();
    for (const location of [undefined, { href: `${origin}/topics` }]) {
      globalThis.location = location;
      const wrong = ["127.0.0.1:8888", "localhost:8888", "[::1]:8888", "changes.example.org", "ftp://example.org", "http://"];
      for (const address of wrong) {
        const refusal = { name: "TypeError", message: `"${address}" is no server's address: write it with http:// or https://` };
        assert.throws(() => follow(address, { signal }), refusal);
        assert.throws(() => followDocuments(address, "test", "test", () => {}, { signal }), refusal);
      }
      for (const address of [origin, new URL(origin), `${origin}/live`]) follow(address, { signal });
    }
    for (const address of ["", "/", "/live", "live", "./live", "../live"]) follow(address, { signal });
  });
});

/* ---------- Tabs ---------- */

/** So many tabs that follow the same, one after the other. */
async function openTabs(t, server, count, options = {}) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const tabs = [];
  for (let index = 0; index < count; index++) {
    const tab = await Tab.open(context, server.origin);
    tabs.push(await tab.follow(server.origin, options));
    await told(tab, isLive);
  }
  return Object.assign(tabs, { context });
}

describe("tabs", () => {
  for (const count of [2, 5]) {
    for (const transport of ["sse", "websocket"]) {
      test(`${count} tabs share one connection (${transport})`, LIMIT, async (t) => {
        const server = await Server.start(t);
        const tabs = await openTabs(t, server, count, { transport });
        await subscribersBecome(server, 1);
        const shared = await Promise.all(tabs.map((tab) => tab.look("isShared")));
        assert.deepEqual(shared, [false, ...Array(count - 1).fill(true)]);
        await server.insert("a", "b", "c");
        for (const tab of tabs) assert.deepEqual((await told(tab, has("c"))).keys, ["a", "b", "c"]);
        assert.equal(await server.subscriberCount(), 1);
      });
    }
  }

  test("tabs that follow something else do not share", LIMIT, async (t) => {
    const server = await Server.start(t);
    const tabs = await openTabs(t, server, 1);
    const options = [{ topics: ["test.*"] }, { match: { operationType: "insert" } }, { format: "data" }, { mode: "latest" }, { shared: false }];
    for (const [index, option] of options.entries()) {
      const tab = await Tab.open(tabs.context, server.origin);
      await tab.follow(server.origin, option);
      await told(tab, isLive);
      await subscribersBecome(server, index + 2);
      assert.equal(await tab.look("isShared"), false);
    }
  });

  test("a new tab gets the past that it asks for, without a second connection", LIMIT, async (t) => {
    const server = await Server.start(t);
    await server.insert(...numbered(0, 10));
    await server.lastChanges(10);
    const tabs = await openTabs(t, server, 1);
    const position = await tabs[0].look("position");
    await server.insert("10", "11");
    await server.lastChanges(12);
    for (const [since, first] of [["earliest", 0], ["last:4", 8], [position, 10], ["now", 12]]) {
      const tab = await Tab.open(tabs.context, server.origin);
      await tab.follow(server.origin, { since });
      await told(tab, isLive);
      tabs.push(Object.assign(tab, { first }));
    }
    await server.insert("12");
    for (const tab of tabs.slice(1)) assert.deepEqual((await told(tab, has("12"))).keys, numbered(tab.first, 13));
    await subscribersBecome(server, 1);
  });

  test("g2, g3: the tab that holds the connection goes, again and again, under writes: no hole, nothing twice", LIMIT, async (t) => {
    const server = await Server.start(t);
    const tabs = await openTabs(t, server, 5);
    let isOver = false;
    let count = 0;
    const writing = (async () => {
      while (!isOver) await server.insert(`${count++}`);
    })();
    for (const end of [(tab) => tab.page.close(), (tab) => tab.do("close"), (tab) => tab.page.goto("about:blank")]) {
      const seen = count;
      while (count < seen + 20) await new Promise(setImmediate);
      await end(tabs.shift());
      await told(tabs[0], has(`${count + 20}`));
    }
    isOver = true;
    await writing;
    for (const tab of tabs) {
      const { keys, gaps } = await told(tab, has(`${count - 1}`));
      assert.deepEqual([keys, gaps], [numbered(0, count), []]);
    }
    await subscribersBecome(server, 1);
  });

  test("g2, g3: whatever breaks in whatever order, each tab has everything once", { timeout: 180_000 }, async (t) => {
    const seed = Number(process.env.CHANGECAST_SEED ?? Date.now() % 1_000_000);
    t.diagnostic(`CHANGECAST_SEED=${seed}`);
    const random = randomFrom(seed);
    const server = await Server.start(t);
    const proxy = await Proxy.start(t, server);
    const context = await browser.newContext();
    t.after(() => context.close());
    const tabs = [];
    const open = async () => {
      const tab = await Tab.open(context, proxy.origin);
      tabs.push(await tab.follow(proxy.origin, { since: "earliest" }));
    };
    const steal = async () => {
      const { held } = await navigator.locks.query();
      if (held[0]) navigator.locks.request(held[0].name, { steal: true }, () => new Promise((resolve) => setTimeout(resolve, 100)));
    };
    const some = () => tabs[Math.floor(random() * tabs.length)];
    const actions = [
      () => proxy.cut(),
      () => some().page.evaluate(steal),
      () => some().do("drop"),
      () => tabs.length < 6 && open(),
      () => tabs.length > 2 && tabs.splice(Math.floor(random() * tabs.length), 1)[0].page.close(),
      () => tabs.length > 2 && tabs.splice(Math.floor(random() * tabs.length), 1)[0].do("close"),
      () => some().page.evaluate(() => {
        for (const name of ["pagehide", "pageshow"]) dispatchEvent(new PageTransitionEvent(name, { persisted: true }));
      }),
      async () => {
        await server.kill();
        await server.restart();
      },
    ];
    for (let index = 0; index < 3; index++) await open();
    let count = 0;
    for (let round = 0; round < 30; round++) {
      await server.insert(...numbered(count, count + 3));
      const acting = actions[Math.floor(random() * actions.length)]();
      // Some are written while it breaks, some after.
      const isWritten = await server.insert(`${count + 3}`).then(() => true, () => false);
      await acting;
      if (!isWritten) await server.insert(`${count + 3}`);
      count += 4;
    }
    for (const tab of tabs) {
      const { keys, ids, gaps } = await told(tab, has(`${count - 1}`));
      assertOrdered(ids);
      assert.deepEqual([[...new Set(keys)], gaps], [numbered(0, count), []]);
    }
    await subscribersBecome(server, 1);
  });

  test("a restarted server is resumed by all tabs from one connection", LIMIT, async (t) => {
    const server = await Server.start(t);
    const tabs = await openTabs(t, server, 3);
    await server.insert("0");
    await server.kill();
    for (const tab of tabs) await told(tab, ({ states }) => states.at(-1).name === "waiting");
    await server.restart();
    await server.insert("1");
    for (const tab of tabs) assert.deepEqual((await told(tab, has("1"))).keys, ["0", "1"]);
    await tabs[2].do("drop");
    await told(tabs[1], ({ states }) => states.filter(({ error }) => error === "dropped").length === 1);
    await server.insert("2");
    for (const tab of tabs) assert.deepEqual((await told(tab, has("2"))).keys, ["0", "1", "2"]);
    await subscribersBecome(server, 1);
  });

  test("g2: another log is told to every tab as a gap", LIMIT, async (t) => {
    const server = await Server.start(t);
    const tabs = await openTabs(t, server, 3);
    await server.insert("before");
    for (const tab of tabs) await told(tab, has("before"));
    await server.kill();
    await rm(path.join(server.directory, "data"), { recursive: true });
    await server.restart();
    await server.insert("after");
    for (const tab of tabs) {
      const { keys, gaps } = await told(tab, has("after"));
      assert.deepEqual([keys, gaps.length], [["before", "after"], 1]);
    }
    await subscribersBecome(server, 1);
  });

  test("g8: a tab that hangs silences no other", LIMIT, async (t) => {
    const server = await Server.start(t);
    const tabs = await openTabs(t, server, 3);
    // It holds the connection, and the lock, and does nothing any more.
    tabs[0].page.evaluate(() => { for (;;); }).catch(() => {});
    await server.insert("0");
    for (const tab of tabs.slice(1)) {
      await tab.page.evaluate(() => {
        const late = Date.now.bind(Date);
        Date.now = () => late() + 41_000;
      });
    }
    for (const tab of tabs.slice(1)) assert.deepEqual((await told(tab, has("0"))).keys, ["0"]);
    const shared = await Promise.all(tabs.slice(1).map((tab) => tab.look("isShared")));
    assert.deepEqual(shared.toSorted(), [false, true]);
  });

  test("a hidden tab whose clock is slowed down is told to try again", LIMIT, async (t) => {
    const server = await Server.start(t);
    const tabs = await openTabs(t, server, 2);
    await tabs[0].page.evaluate(() => (globalThis.setTimeout = () => 1));
    await server.kill();
    for (const tab of tabs) await told(tab, ({ states }) => states.at(-1).name === "waiting");
    await server.restart();
    await server.insert("0");
    for (const tab of tabs) assert.deepEqual((await told(tab, has("0"))).keys, ["0"]);
    assert.deepEqual(await Promise.all(tabs.map((tab) => tab.look("isShared"))), [false, true]);
  });

  test("a tab that is taken for dead and lives goes on, led", LIMIT, async (t) => {
    const server = await Server.start(t);
    const tabs = await openTabs(t, server, 2);
    await server.insert("0");
    await told(tabs[1], has("0"));
    // Another tab takes the lock, as for one that hangs.
    await tabs[1].page.evaluate(async () => {
      const { held } = await navigator.locks.query();
      navigator.locks.request(held[0].name, { steal: true }, () => new Promise((resolve) => (globalThis.release = resolve)));
    });
    await subscribersBecome(server, 0);
    await server.insert("1");
    await tabs[1].page.evaluate(() => release());
    for (const tab of tabs) assert.deepEqual((await told(tab, has("1"))).keys, ["0", "1"]);
    await subscribersBecome(server, 1);
  });

  test("a page that is put away holds nothing, and goes on when it is taken out again", LIMIT, async (t) => {
    const server = await Server.start(t);
    const [tab] = await openTabs(t, server, 1);
    await tab.page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
    await subscribersBecome(server, 0);
    await server.insert("0");
    await tab.page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
    assert.deepEqual((await told(tab, has("0"))).keys, ["0"]);
  });

  test("being online again ends the wait", LIMIT, async (t) => {
    const server = await Server.start(t);
    const [tab] = await openTabs(t, server, 1);
    await tab.page.evaluate(() => (Math.random = () => 10_000));
    await server.kill();
    await told(tab, ({ states }) => states.at(-1).name === "waiting");
    await server.restart();
    await tab.page.evaluate(() => dispatchEvent(new Event("online")));
    await told(tab, isLive);
  });

  test("without locks each tab connects", LIMIT, async (t) => {
    const server = await Server.start(t);
    const context = await browser.newContext();
    t.after(() => context.close());
    await context.addInitScript(() => Object.defineProperty(navigator, "locks", { value: undefined }));
    const tabs = [];
    for (let index = 0; index < 2; index++) {
      const tab = await Tab.open(context, server.origin);
      tabs.push(await tab.follow(server.origin));
      await told(tab, isLive);
    }
    await subscribersBecome(server, 2);
    await server.insert("0");
    for (const tab of tabs) assert.deepEqual((await told(tab, has("0"))).keys, ["0"]);
  });
});

/* ---------- Other origins, and what it weighs ---------- */

describe("a page of another origin", () => {
  test("that is let in follows, reads documents, and reads refusals", LIMIT, async (t) => {
    const other = await Server.start(t);
    const server = await Server.start(t, "--allow-origin", other.origin);
    await server.insert("0");
    for (const transport of ["sse", "websocket"]) {
      const tab = await openTab(t, other.origin, { library: server.origin });
      await tab.follow(server.origin, { transport }, true);
      assert.deepEqual((await told(tab, isLive)).lists, [1]);
      await server.write("PATCH", "0", { transport });
      assert.equal((await told(tab, has("0"))).documents[0].transport, transport);
      await tab.do("close");
      await tab.follow(server.origin, { transport, since: "garbage" });
      assert.match((await told(tab, isClosed)).states.at(-1).error, /^since="garbage"/);
    }
  });

  test("that is not let in is told so, and goes on trying", LIMIT, async (t) => {
    const other = await Server.start(t);
    const server = await Server.start(t);
    const tab = await openTab(t, other.origin, { library: server.origin });
    await tab.follow(server.origin);
    const { states } = await told(tab, ({ states }) => states.filter(({ name }) => name === "waiting").length > 1);
    assert.match(states.at(-1).error, /cannot be reached, or does not let this page in/);
  });
});

describe("the script", () => {
  test("is under 5 kB, needs nothing, and has its declarations beside it", LIMIT, async (t) => {
    const server = await Server.start(t);
    const script = await (await fetch(`${server.origin}/changecast.js`)).text();
    const size = gzipSync(script, { level: 9 }).length;
    assert.ok(size < 5_000, `${size} bytes`);
    assert.doesNotMatch(script, /\bimport\b|\brequire\b/);
    const declarations = await (await fetch(`${server.origin}/changecast.d.ts`)).text();
    const promised = [...declarations.matchAll(/^export declare \w+ (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(Object.keys(await library(server.origin)).sort(), promised.sort());
  });
});
