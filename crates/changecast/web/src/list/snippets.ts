// What a card can be copied as: itself, its id, and lines that follow its topic from this change on.
//
// These lines are pasted into terminals and programs, so nothing in them may be taken for more than text: whatever is not
// plain ASCII is escaped in the way of the language, and addresses are percent-encoded, single quotes too.

import type { Item } from "./item.ts";

export type CopyKind = "json" | "id" | "curl" | "javascript" | "python" | "rust";

export const COPY_KINDS: readonly { kind: CopyKind; label: string }[] = [
  { kind: "json", label: "JSON" },
  { kind: "id", label: "id" },
  { kind: "curl", label: "curl" },
  { kind: "javascript", label: "JavaScript" },
  { kind: "python", label: "Python" },
  { kind: "rust", label: "Rust" },
];

export function snippet(item: Item, kind: CopyKind, origin: string): string {
  switch (kind) {
    case "json": return JSON.stringify(item.kind === "gap" ? item.gap : item.change, null, 2);
    case "id": return item.id;
    case "curl": return `curl -N '${eventsUrl(item, origin)}'`;
    case "javascript": return javascript(item, origin);
    case "python": return python(item, origin);
    case "rust": return rust(item, origin);
  }
}

/** What comes after `item`, on its topic. */
function eventsUrl(item: Item, origin: string): string {
  const topic = item.kind === "change" ? `topic=${encoded(item.topic)}&` : "";
  return `${escapedOrigin(origin)}/events?${topic}since=${encoded(item.id)}`;
}

/** A URL's own form of it: no quotes, no blanks, no dollars. */
function escapedOrigin(origin: string): string {
  return new URL(origin).origin;
}

// `encodeURIComponent` leaves `!'()*` as they are, which a shell takes for its own.
const encoded = (text: string): string =>
  encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd"))
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);

/** A string literal of JavaScript. */
function quotedAscii(text: string): string {
  const inner = text.replace(/["\\]|[^\x20-\x7e]/gu, (character) =>
    character === '"' || character === "\\" ? `\\${character}` : `\\u{${character.codePointAt(0)!.toString(16)}}`);
  return `"${inner}"`;
}

function javascript(item: Item, origin: string): string {
  const topics = item.kind === "change" ? `topics: [${quotedAscii(item.topic)}], ` : "";
  return `import { follow } from ${quotedAscii(`${escapedOrigin(origin)}/changecast.js`)};

const follower = follow(${quotedAscii(escapedOrigin(origin))}, { ${topics}since: ${quotedAscii(item.id)} });
follower.onGap = (gap) => console.warn("missing:", gap.reason);
for await (const { id, change } of follower) {
  console.log(id, change.operationType, change.documentKey);
}
`;
}

function python(item: Item, origin: string): string {
  return `# pip install httpx-sse
import json

import httpx
from httpx_sse import connect_sse

url = "${eventsUrl(item, origin)}"
with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
    with connect_sse(client, "GET", url) as source:
        for event in source.iter_sse():
            # Without data it is a bookmark: its id is where to go on.
            if event.event == "message" and event.data:
                change = json.loads(event.data)
                print(event.id, change["operationType"], change.get("documentKey"))
`;
}

function rust(item: Item, origin: string): string {
  return `// cargo add eventsource-stream futures-util
// cargo add reqwest --features stream
// cargo add tokio --features macros,rt-multi-thread
use eventsource_stream::Eventsource;
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = "${eventsUrl(item, origin)}";
    let answer = reqwest::get(url).await?.error_for_status()?;
    let mut events = answer.bytes_stream().eventsource();
    while let Some(event) = events.next().await {
        let event = event?;
        if event.event == "message" {
            println!("{} {}", event.id, event.data);
        }
    }
    Ok(())
}
`;
}
