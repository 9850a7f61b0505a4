// What the server watches: from /sources, and from the news that come with the stream.

import type { SourceNews } from "../client/api/changecast.d.ts";

export interface Finding {
  level: string;
  about: string;
  detail: string;
  mend?: string;
}

export interface Source {
  name: string;
  state: "connecting" | "live" | "failed";
  kind?: string;
  topics?: string[];
  replayable?: boolean;
  error?: string | null;
  remedy?: string | null;
  /** When the state last changed, and when the last change came. */
  since?: string;
  last_change?: string | null;
  gap_count?: number;
  position?: unknown;
  documents?: "off" | "read" | "write";
  check?: { level: string; findings: Finding[] } | null;
}

export interface Topic {
  topic: string;
  source: string;
}

/** Many new topics may come at once. */
const NEW_TOPIC_MS = 500;

export class Sources {
  #sources = new Map<string, Source>();
  /** What the stream said while an answer was under way: it is newer. */
  readonly #heard = new Map<string, Partial<Source>>();
  #loading: ReturnType<typeof setTimeout> | undefined;
  topics: Topic[] = [];
  /** The source of each topic: asked at every change. */
  #owners = new Map<string, string>();
  /** Called when any of it may be another. */
  onChange: ((error?: string) => void) | null = null;

  get all(): Source[] {
    return [...this.#sources.values()];
  }

  /** Topics of no source: what programs publish. */
  get published(): Topic[] {
    return this.topics.filter(({ source }) => !this.#sources.has(source));
  }

  /** The built-in document store, if it may be written. */
  get writableStore(): Source | undefined {
    return this.all.find(({ kind, documents }) => kind === "embedded" && documents === "write");
  }

  async load(): Promise<void> {
    clearTimeout(this.#loading);
    this.#loading = undefined;
    this.#heard.clear();
    try {
      const [sources, topics] = await Promise.all([answerOf("/sources"), answerOf("/topics")]);
      const listed: Source[] = sources.sources;
      this.#sources = new Map(listed.map((source) => [source.name, { ...source, ...this.#heard.get(source.name) }]));
      this.topics = topics.topics;
      this.#owners = new Map(this.topics.map(({ topic, source }) => [topic, source]));
      this.onChange?.();
    } catch (error) {
      this.onChange?.(`The sources could not be loaded: ${error instanceof Error ? error.message : error}.`);
    }
  }

  hear({ source: name, state, error, remedy }: SourceNews): void {
    const news = { state, error: error ?? null, remedy: remedy ?? null };
    this.#heard.set(name, news);
    this.#sources.set(name, { ...this.#sources.get(name), name, ...news });
    this.onChange?.();
  }

  /** Notes that a change of that topic came. */
  note(topic: string, time: number): void {
    const owner = this.#owners.get(topic);
    const source = owner && this.#sources.get(owner);
    if (source) source.last_change = new Date(time).toISOString();
    // A new one: only the server knows whose it is.
    else if (!owner) this.#loading ??= setTimeout(() => void this.load(), NEW_TOPIC_MS);
  }
}

async function answerOf(path: string): Promise<any> {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}
