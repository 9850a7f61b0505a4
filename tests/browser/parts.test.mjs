// Parts of the page that need no browser: what is chosen as a `$match` and as an address, throughput over an hour, patches.

import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import esbuild from "../../crates/changecast/web/node_modules/esbuild/lib/main.js";

const PAGE = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../crates/changecast/web/src/page");

async function load(...names) {
  const contents = names.map((name) => `export * from "./${name}.ts";`).join("\n");
  const built = await esbuild.build({ stdin: { contents, loader: "ts", resolveDir: PAGE }, bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString("base64")}`);
}

const { difference, readView, textConditions, Throughput, timeOf, wholeMatch, writeView } = await load(
  "match", "merge-patch", "text", "throughput", "times", "view",
);

describe("what is chosen", () => {
  test("goes into the address and comes back as it was", () => {
    for (const query of [
      "",
      "?topic=shop.orders&topic=a.*",
      "?op=insert&op=other&text=%22green+tea%22+status%3Apaid&match=%7B%22a%22%3A1%7D",
      "?since=earliest&transport=websocket",
      "?text=%26%3D%23%2B%25",
    ]) assert.equal(writeView(readView(query)), query);
    assert.deepEqual(readView("?op=nonsense&topic=&transport=pigeon&other=1"), readView(""));
    assert.deepEqual(readView("?op=delete&op=insert").operations, ["insert", "delete"], "in one order, so that views can be compared");
  });

  test("is one $match, in which the box stands as it was typed", () => {
    const view = { operations: [], text: "", match: "" };
    assert.equal(wholeMatch(view), "");
    assert.equal(wholeMatch({ ...view, match: '{"a": 12345678901234567890}' }), '{"a": 12345678901234567890}');
    assert.equal(wholeMatch({ ...view, operations: ["insert"] }), '{"operationType":"insert"}');
    assert.deepEqual(JSON.parse(wholeMatch({ ...view, operations: ["insert", "delete"] })), { operationType: { $in: ["insert", "delete"] } });
    assert.deepEqual(JSON.parse(wholeMatch({ ...view, operations: ["delete", "other"] })), { operationType: { $nin: ["insert", "update", "replace"] } });
    assert.equal(wholeMatch({ ...view, operations: ["insert", "update", "replace", "delete", "other"] }), "");
    const all = wholeMatch({ operations: ["insert"], text: "a:b c", match: '{"d": 10000000000000000001}' });
    assert.equal(JSON.parse(all).$and.length, 4);
    assert.match(all, /10000000000000000001/);
  });

  test("text is words and fields, quoted or not, and never a pattern", () => {
    const has = (word) => ({ $regex: word, $options: "i" });
    assert.deepEqual(textConditions("  "), []);
    assert.deepEqual(textConditions("address.city:Lis"), [{ "fullDocument.address.city": has("Lis") }]);
    assert.deepEqual(textConditions('name:"a: b"'), [{ "fullDocument.name": has("a: b") }]);
    assert.deepEqual(textConditions("n:-1.5"), [{ $or: [{ "fullDocument.n": has("-1\\.5") }, { "fullDocument.n": -1.5 }] }]);
    assert.deepEqual(textConditions("paid:true"), [{ $or: [{ "fullDocument.paid": has("true") }, { "fullDocument.paid": true }] }]);
    assert.deepEqual(textConditions("paid:toString"), [{ "fullDocument.paid": has("toString") }]);
    const [key] = textConditions(".*(x)");
    assert.deepEqual(key.$or[0], { "documentKey._id": has("\\.\\*\\(x\\)") });
    assert.deepEqual(textConditions('"orders:17"').length, 1);
    assert.equal(textConditions("12345678901234567890")[0].$or.length, 3, "no number that would be rounded");
  });
});

describe("throughput", () => {
  const START = 1_800_000_000_000;

  test("counts by the second a change happened in, and forgets after an hour", (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: START });
    const throughput = new Throughput();
    const later = (seconds) => START + seconds * 1000;
    throughput.add("insert", START, START);
    throughput.add("insert", START, START);
    throughput.add("update", later(-5), START);
    throughput.add("drop", later(60), START);
    throughput.add("insert", later(-4000), START);
    throughput.add("insert", NaN, START);
    assert.deepEqual(throughput.totals(60, later(1)), [2, 1, 0, 0, 1], "what comes from the future happens now");
    assert.deepEqual(throughput.rates(1, 3, later(1)).map((rates) => rates.at(-1)), [2, 0, 0, 0, 1]);
    assert.deepEqual(throughput.totals(60, later(61)), [0, 0, 0, 0, 0]);
    assert.deepEqual(throughput.totals(3600, later(3590)), [2, 1, 0, 0, 1]);
    assert.deepEqual(throughput.totals(3600, later(3700)), [0, 0, 0, 0, 0]);
    throughput.add("delete", later(100_000), later(100_000));
    assert.deepEqual(throughput.totals(3600, later(100_001)), [0, 0, 0, 1, 0], "nor does a long sleep bring the old back");
  });

  test("a step is the mean of its seconds, the last one of those that have passed", (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: START });
    const throughput = new Throughput();
    for (let second = 0; second < 12; second += 1) {
      for (let n = 0; n < 4; n += 1) throughput.add("insert", START + second * 1000, START + second * 1000);
    }
    const [inserts] = throughput.rates(5, 3, START + 12_000);
    assert.deepEqual(inserts, [4, 4, 4]);
  });
});

describe("patches and times", () => {
  test("a patch leads from one document to the other", () => {
    const patch = (before, after) => JSON.parse(difference(JSON.stringify(before), JSON.stringify(after)));
    assert.deepEqual(patch({ a: 1, b: { c: 1, d: 2 }, e: [1] }, { b: { c: 1, d: 3 }, e: [1, 2], f: null }), { a: null, b: { d: 3 }, e: [1, 2], f: null });
    assert.deepEqual(patch({ a: { b: 1 } }, { a: { b: 1 } }), {});
    assert.deepEqual(patch({ toString: 1 }, {}), { toString: null });
    assert.equal(difference("{}", '{"__proto__": {"a": 1}, "constructor": 2}'), '{"__proto__":{"a":1},"constructor":2}');
    assert.match(difference("{}", "{").problem, /not JSON/);
    assert.match(difference("{}", "[]").problem, /object/);
  });

  test("the time of a change, however its source writes it", () => {
    assert.equal(timeOf({ wallTime: { $date: "2026-11-21T07:50:50.465Z" } }), Date.parse("2026-11-21T07:50:50.465Z"));
    assert.equal(timeOf({ wallTime: { $date: { $numberLong: "1795292520897" } } }), 1795292520897);
    assert.equal(timeOf({ wallTime: "2026-11-21T07:50:50Z" }), Date.parse("2026-11-21T07:50:50Z"));
    assert.equal(timeOf({ clusterTime: { $timestamp: { t: 1795292520, i: 3 } } }), 1795292520000);
    for (const change of [{}, { wallTime: null }, { wallTime: { $date: "nonsense" } }, { wallTime: [] }]) assert.equal(timeOf(change), undefined);
  });
});
