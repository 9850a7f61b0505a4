// Builds dist/ from src/: what the server embeds. dist/ is committed, so that `cargo build` needs no Node.js.
//
//   node build.mjs           once
//   node build.mjs --watch   at each edit; with `changecast --debug` a reload shows it

import { copyFile, mkdir, rm } from "node:fs/promises";
import esbuild from "esbuild";

const BUNDLES = {
  // The client, for anybody's page or service.
  "changecast": "src/client/changecast.ts",
  // The custom element, for anybody's page.
  "change-stream": "src/element/change-stream.ts",
  // The live page.
  "page": "src/page/main.ts",
  "style": "src/page/style.css",
};

// What is served as it is.
const COPIES = ["src/page/index.html", "src/page/favicon.svg", "src/client/api/changecast.d.ts"];

const options = {
  entryPoints: BUNDLES,
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "info",
};

process.chdir(import.meta.dirname ?? new URL(".", import.meta.url).pathname);
await rm("dist", { recursive: true, force: true });
await mkdir("dist");
for (const file of COPIES) await copyFile(file, file.replace(/.*\//, "dist/"));

if (process.argv.includes("--watch")) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  await esbuild.build(options);
}
