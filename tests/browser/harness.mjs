// The list by itself, on a page under the live page's own policy: for what no real server can be made to send.

import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "../../crates/changecast/web/node_modules/esbuild/lib/main.js";

const SOURCES = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../crates/changecast/web/src");

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
  + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HTML = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>List</title>
  <meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/style.css"><link rel="icon" href="/icon">
  <script type="module" src="/harness.js"></script>
</head>
<body><main><h1>Changes</h1><div id="changes"></div></main></body>
</html>`;

const STYLE = "body { margin: 0; padding: 1rem; background: Canvas; } main { max-width: 52rem; margin: 0 auto; } h1 { font: 600 1rem sans-serif; }";

/** Makes a list of what the page's address asks for: `?max=`, and lets tests reach it. */
const SCRIPT = `
import { ChangeList } from ${JSON.stringify(path.join(SOURCES, "list/change-list.ts"))};
const max = new URLSearchParams(location.search).get("max");
const list = new ChangeList(document.getElementById("changes"), { ...(max && { max: Number(max) }), origin: "http://127.0.0.1:8888" });
let seq = 0;
const idOf = () => "abcdefgh-" + ++seq;
window.list = list;
/** One change, as the page hands it on. */
window.change = (change, topic = [change.ns?.db, change.ns?.coll].join(".")) => {
  const id = idOf();
  list.add({ kind: "change", id, topic, change, size: JSON.stringify(change).length, arrival: Date.now() });
  return id;
};
window.gap = (gap) => list.add({ kind: "gap", id: idOf(), gap, arrival: Date.now() });
/** A plain insertion, by number. */
window.insert = (number) => window.change({
  _id: { _data: "c" + number }, operationType: "insert", ns: { db: "shop", coll: "orders" }, documentKey: { _id: "k" + number },
  wallTime: { $date: new Date().toISOString() }, fullDocument: { _id: "k" + number, number, status: "new", customer: "Ada", lines: [1, 2, 3] },
});
window.frames = (count) => new Promise((done) => { const next = () => count-- > 0 ? requestAnimationFrame(next) : done(); next(); });
`;

export class Harness {
  static async start(t) {
    const harness = new Harness();
    const built = await esbuild.build({
      stdin: { contents: SCRIPT, loader: "ts", resolveDir: SOURCES }, bundle: true, format: "esm", target: "es2022", write: false,
    });
    const files = { "/": ["text/html", HTML], "/style.css": ["text/css", STYLE], "/harness.js": ["text/javascript", built.outputFiles[0].text] };
    const server = createServer((request, response) => {
      const [type, content] = files[new URL(request.url, "http://test").pathname] ?? ["text/plain", ""];
      response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "content-security-policy": POLICY }).end(content);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    harness.origin = `http://127.0.0.1:${server.address().port}`;
    return harness;
  }
}
