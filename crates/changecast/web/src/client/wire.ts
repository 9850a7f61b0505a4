// One connection: from a URL to lines of JSON, whatever carries them. It ends once, with the reason, and nothing
// comes back by itself here: that is for who asks (persist.ts).

/** No word for so long: the connection is dead, since the server says something every 15 seconds. */
const SILENCE_MAX_MS = 45_000;
const LOOK_EVERY_MS = 5_000;
const LINES = "application/x-ndjson";

/** An answer that is none of those that are wanted. */
export class Refusal extends Error {
  /** How long the server asks to be left alone. */
  readonly afterMs: number;
  /** Whether asking again would be answered the same. */
  readonly isFinal: boolean;

  constructor(status: number, words: string, afterSeconds: string | null) {
    super(words);
    this.isFinal = [400, 401, 403, 404].includes(status);
    this.afterMs = Number(afterSeconds) * 1000 || 0;
  }
}

/** The answer to a GET. Throws a refusal, in the server's words, if it is none of success. */
export async function ask(url: URL, signal: AbortSignal, accept = "application/json"): Promise<Response> {
  const answer = await fetch(url, { headers: { accept }, signal }).catch(() => {
    throw signal.reason ?? new Error("the server cannot be reached, or does not let this page in");
  });
  if (answer.ok) return answer;
  const text = await answer.text();
  let words;
  try {
    words = JSON.parse(text).detail;
  } catch {
    // Not the server's own words: a proxy's page, which tells a reader less than its number.
  }
  throw new Refusal(answer.status, words ?? `answered ${answer.status}`, answer.headers.get("retry-after"));
}

/** Hands on one line after the other until the answer ends. */
export async function readLines(url: URL, receive: (line: string) => void, signal: AbortSignal): Promise<void> {
  const { body } = await ask(url, signal, LINES);
  const reader = body!.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = value.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    for (const line of lines) {
      // Who receives may have enough in the midst of what has come.
      signal.throwIfAborted();
      receive(line);
    }
  }
}

/** Hands on each line as it comes, until the connection is lost: rejects with the reason, which is also that of an abort. */
export function stream(url: URL, receive: (line: string) => void, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    // Ended in the midst of what came before: an event of that would be none any more.
    signal.throwIfAborted();
    let heardAt = Date.now();
    let isGreeted = false;
    const hear = (line: string) => {
      heardAt = Date.now();
      isGreeted = true;
      receive(line);
    };
    const end = (error: unknown) => {
      close?.();
      clearInterval(watch);
      reject(error);
    };
    const lose = async () => {
      close?.();
      // A browser does not tell why: an answer to fetch does.
      if (!isGreeted) await refuse(url, signal).catch(end);
      end(new Error("the connection was lost"));
    };
    const close = open(url, hear, lose, end, signal);
    const watch = setInterval(() => {
      if (Date.now() - heardAt > SILENCE_MAX_MS) end(new Error("the server is silent"));
    }, LOOK_EVERY_MS);
    signal.addEventListener("abort", () => end(signal.reason));
  });
}

/** Opens it by what there is. Returns what closes it, after which nothing more is heard of it. */
function open(
  url: URL,
  hear: (line: string) => void,
  lose: () => void,
  end: (error: unknown) => void,
  signal: AbortSignal,
): (() => void) | undefined {
  if (url.protocol[0] === "w") {
    if (!globalThis.WebSocket) {
      const error = new Error("there is no WebSocket here: use Node.js 22 or later, or sse");
      throw Object.assign(error, { isFinal: true });
    }
    const socket = new WebSocket(url, "changecast.v1+json");
    socket.onmessage = (event) => hear(event.data);
    socket.onclose = ({ code, reason }) => {
      // We are at fault, and would be again.
      if ([1002, 1007, 1009].includes(code)) end(Object.assign(new Error(reason), { isFinal: true }));
      else lose();
    };
    return () => {
      socket.onmessage = socket.onclose = null;
      socket.close();
    };
  }
  if (globalThis.EventSource) {
    const source = new EventSource(url);
    source.onmessage = (event) => hear(event.data);
    // Its own retry gives up for ever on an answer other than 200, and tells nobody when it will try again.
    source.onerror = lose;
    return () => {
      source.onmessage = source.onerror = null;
      source.close();
    };
  }
  readLines(url, hear, signal).then(lose, end);
  return undefined;
}

/** Throws what refuses this request, if anything does. */
async function refuse(url: URL, signal: AbortSignal): Promise<void> {
  const { body } = await ask(past(url), signal, LINES);
  await body?.cancel();
}

/** The address of what is there already, as an answer that ends. */
export function past(url: URL): URL {
  const finite = new URL(url.href.replace(/^ws/, "http").replace(/\/ws(?=\?|$)/, "/events"));
  finite.searchParams.set("wait", "0");
  return finite;
}
