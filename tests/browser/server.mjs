// The real binary, for tests to talk to.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

function binaryPath() {
  const target = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../target");
  const candidates = [process.env.CHANGECAST_BIN, `${target}/release/changecast`, `${target}/debug/changecast`];
  const found = candidates.find((candidate) => candidate && existsSync(candidate));
  assert.ok(found, `no changecast binary at any of: ${candidates.filter(Boolean).join(", ")}`);
  return path.resolve(found);
}

export class Server {
  static async start(t, ...args) {
    const server = new Server();
    server.args = args;
    server.directory = await mkdtemp(path.join(tmpdir(), "changecast-page-"));
    t.after(async () => {
      await server.kill();
      await rm(server.directory, { recursive: true, force: true });
    });
    await server.launch(0);
    return server;
  }

  async launch(port) {
    const args = ["--port", String(port), "--address", "127.0.0.1", "--data", path.join(this.directory, "data"), ...this.args];
    this.process = spawn(binaryPath(), args, { cwd: this.directory, stdio: ["ignore", "pipe", "pipe"] });
    this.exited = new Promise((resolve) => this.process.once("exit", resolve).once("error", resolve));
    this.port = await bannerPort(this.process);
    this.origin = `http://127.0.0.1:${this.port}`;
  }

  async kill() {
    this.process?.kill("SIGKILL");
    await this.exited;
  }

  async restart() {
    await this.launch(this.port);
  }

  async write(method, id, body, collection = "test") {
    const answer = await fetch(`${this.origin}/documents/test/${collection}/${encodeURIComponent(id)}`, {
      method,
      headers: { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" },
      body: body && JSON.stringify(body),
    });
    assert.ok(answer.ok, `${method} ${id} answered ${answer.status}: ${await answer.text()}`);
  }

  async insert(...ids) {
    for (const id of ids) await this.write("PUT", id, { title: `document ${id}` });
  }

  async publish(topic, value) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${this.origin}/publish/${topic}`, { method: "POST", headers, body: JSON.stringify(value) });
    assert.ok(answer.ok, `publishing answered ${answer.status}: ${await answer.text()}`);
  }

  /** How many follow it now. */
  async subscriberCount() {
    const metrics = await (await fetch(`${this.origin}/metrics`)).text();
    return [...metrics.matchAll(/^changecast_subscribers\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** The last changes as the server sends them, so that a test can recompute what the page derives from them. */
  async lastChanges(count) {
    const stop = new AbortController();
    const answer = await fetch(`${this.origin}/events?since=last:${count}`, { signal: stop.signal });
    const changes = [];
    let text = "";
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      changes.push(...blocks.filter((block) => !/^event:/m.test(block)).flatMap((block) => block.match(/^data: ?(.*)$/m)?.[1] ?? []));
      if (changes.length >= count) break;
    }
    stop.abort();
    return changes.map((change) => JSON.parse(change));
  }
}

function bannerPort(child) {
  return new Promise((resolve, reject) => {
    let output = "";
    const collect = (chunk) => {
      output += chunk;
      const port = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(output)?.[1];
      if (port) resolve(Number(port));
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", (chunk) => (output += chunk));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`changecast ended with ${code} before it was ready:\n${output}`)));
  });
}
