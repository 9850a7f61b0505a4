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

export class Sources {
  #sources = new Map<string, Source>();
  /** What the stream said while an answer was under way: it is newer. */
  readonly #heard = new Map<string, Partial<Source>>();
  topics: Topic[] = [];
  /** Called when any of it may be another. */
  onChange: ((error?: string) => void) | null = null;

  get all(): Source[] {
    return [...this.#sources.values()];
  }

  /** The built-in document store, if it may be written. */
  get writableStore(): Source | undefined {
    return this.all.find(({ kind, documents }) => kind === "embedded" && documents === "write");
  }

  async load(): Promise<void> {
    this.#heard.clear();
    try {
      const [sources, topics] = await Promise.all([answerOf("/sources"), answerOf("/topics")]);
      const listed: Source[] = sources.sources;
      this.#sources = new Map(listed.map((source) => [source.name, { ...source, ...this.#heard.get(source.name) }]));
      this.topics = topics.topics;
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

  /** Notes that a change of that topic came, whose time the next answer will tell better. */
  note(topic: string, time: number): void {
    const known = this.topics.find((known) => known.topic === topic);
    if (!known) {
      // The source's name ends at the first dot.
      this.topics.push({ topic, source: topic.split(".")[0] ?? topic });
    }
    const source = this.#sources.get(known?.source ?? topic.split(".")[0] ?? "");
    if (source) source.last_change = new Date(time).toISOString();
  }
}

async function answerOf(path: string): Promise<any> {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}
