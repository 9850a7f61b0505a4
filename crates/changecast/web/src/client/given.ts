// What whoever follows gives us: nothing wrong goes unnoticed.

import type { FollowOptions } from "./api/changecast.d.ts";

const COMMON = ["match", "mode", "format", "transport", "shared", "signal"];
const TRANSPORTS = ["sse", "websocket"];

/** Throws if an option is none of the common ones, nor of these. */
export function check(options: FollowOptions, ...more: (keyof FollowOptions)[]): void {
  const known = [...more, ...COMMON];
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new TypeError(`there is no option "${name}": there are ${known.join(", ")}; handlers are set on the follower`);
  }
  const { transport = "sse" } = options;
  if (!TRANSPORTS.includes(transport)) {
    throw new TypeError(`there is no transport "${transport}": there are ${TRANSPORTS.join(", ")}`);
  }
}

/** The server's address, to which others are relative: with a scheme, or in a page a path. */
export function baseOf(server: string | URL): URL {
  const address = `${server}`.trim();
  try {
    const base = new URL(address.replace(/\/?$/, "/"), globalThis.location?.href);
    // A host without a scheme would be taken for a path, or its name for a scheme.
    const isHost = /^(?!(http|ws)s?:)[^/.][^/]*[.:]/i.test(address);
    if (!isHost && /^(http|ws)/.test(base.protocol)) return base;
  } catch {
    // Said below.
  }
  throw new TypeError(`"${address}" is no server's address: write it with http:// or https://`);
}
