// The sources, for people: what is watched, how it is, and what to do where something is wrong.

import { button, byId, counted, element, say } from "./dom.ts";
import type { Finding, Source, Sources } from "./sources.ts";
import { span } from "./times.ts";

/** "8 s ago" need not be more exact than this. */
const REDRAW_MS = 5_000;
const POSITION_CHARS_MAX = 400;
const TOPICS_SHOWN = 6;

const KINDS: Record<string, string> = {
  embedded: "document store",
  mongodb: "MongoDB",
  postgres: "PostgreSQL",
  redis: "Redis",
  sqlite: "SQLite",
  http: "HTTP",
};

export class SourcesPanel {
  readonly #sources: Sources;
  readonly #choose: (topic: string) => void;
  /** Which were unfolded: a redraw must not fold them. */
  readonly #open = new Set<string>();

  constructor(sources: Sources, choose: (topic: string) => void) {
    this.#sources = sources;
    this.#choose = choose;
    setInterval(() => document.hidden || this.#refreshTimes(), REDRAW_MS);
  }

  draw(error?: string): void {
    const sources = this.#sources.all;
    const published = this.#sources.published.map(({ topic }) => topic);
    const items = sources.map((source) => this.#item(source));
    if (published.length > 0) items.push(this.#published(published));
    replaceKeepingFocus(byId("sources"), items);
    say(byId("sources-note"), error ?? (sources.length === 0 ? "None is watched yet." : ""));
    const failing = sources.filter(({ state }) => state !== "live").length;
    const summary = failing > 0 ? `${failing} of ${sources.length} not live` : `${sources.length} live`;
    say(byId("sources-summary"), sources.length === 0 ? "" : summary);
    byId("sources-summary").className = failing > 0 ? "error" : "quiet";
  }

  #item(source: Source): HTMLElement {
    const more = this.#details(source);
    const item = element(
      "li",
      "source",
      element("span", "dot"),
      element("span", "source-name", source.name),
      element("span", "quiet", KINDS[source.kind ?? ""] ?? source.kind ?? ""),
      element("span", "source-state", source.state),
      this.#topics(source),
    );
    item.dataset["state"] = source.state;
    item.dataset["source"] = source.name;
    if (source.error) item.append(element("p", "source-error", source.error));
    if (source.remedy) item.append(element("p", "source-remedy", source.remedy));
    for (const finding of source.check?.findings ?? []) item.append(findingItem(finding));
    item.append(more);
    return item;
  }

  #published(topics: string[]): HTMLElement {
    const name = element("span", "source-name", "Published");
    const item = element("li", "source", element("span", "dot"), name, element("span", "quiet", "by programs"), this.#chips(topics));
    item.dataset["state"] = "paused";
    return item;
  }

  /** Those that have changes; else what is watched. */
  #topics(source: Source): HTMLElement {
    const known = this.#sources.topics.filter((topic) => topic.source === source.name).map(({ topic }) => topic);
    return this.#chips(known.length > 0 ? known : (source.topics ?? []));
  }

  #chips(topics: string[]): HTMLElement {
    const list = element("span", "chips");
    for (const topic of topics.slice(0, TOPICS_SHOWN)) {
      const chip = button("chip", topic, () => this.#choose(topic));
      chip.title = `Follow ${topic} only`;
      list.append(chip);
    }
    if (topics.length > TOPICS_SHOWN) list.append(element("span", "quiet", `and ${topics.length - TOPICS_SHOWN} more`));
    return list;
  }

  #details(source: Source): HTMLElement {
    const age = element("span", "source-age");
    age.textContent = ageOf(source);
    const facts: [string, string][] = [
      ["Watches", (source.topics ?? []).join(", ") || "–"],
      ["State since", source.since ? new Date(source.since).toLocaleString() : "–"],
      ["Last change", source.last_change ? new Date(source.last_change).toLocaleString() : "none yet"],
      ["After a restart", source.replayable === false ? "goes on with what is new" : "goes on where it was"],
      ["Gaps since the start", String(source.gap_count ?? 0)],
      ["Documents", source.documents ?? "off"],
      ["Position", positionText(source.position)],
    ];
    const list = element("dl", "facts", ...facts.map(([name, value]) => {
      return element("div", "", element("dt", "", name), element("dd", "", value));
    }));
    const details = element("details", "source-more", element("summary", "quiet", age), list);
    details.open = this.#open.has(source.name);
    details.addEventListener("toggle", () => this.#open[details.open ? "add" : "delete"](source.name));
    return details;
  }

  #refreshTimes(): void {
    for (const source of this.#sources.all) {
      const age = byId("sources").querySelector<HTMLElement>(`[data-source="${CSS.escape(source.name)}"] .source-age`);
      if (age) say(age, ageOf(source));
    }
  }
}

/** Whoever is in the midst of the list with the keyboard stays where they are. */
function replaceKeepingFocus(list: HTMLElement, items: HTMLElement[]): void {
  const stops = () => [...list.querySelectorAll<HTMLElement>("button, summary")];
  const at = stops().findIndex((stop) => stop === document.activeElement);
  list.replaceChildren(...items);
  stops()[at]?.focus({ preventScroll: true });
}

function ageOf(source: Source): string {
  const gaps = source.gap_count ? ` · ${counted(source.gap_count, "gap")}` : "";
  if (!source.last_change) return `no change yet${gaps}`;
  const age = Math.max(0, Date.now() - Date.parse(source.last_change));
  return `last change ${age < 5000 ? "just now" : `${span(age)} ago`}${gaps}`;
}

function positionText(position: unknown): string {
  if (position === null || position === undefined) return "none yet";
  const text = JSON.stringify(position);
  return text.length > POSITION_CHARS_MAX ? `${text.slice(0, POSITION_CHARS_MAX)} …` : text;
}

function findingItem({ level, about, detail, mend }: Finding): HTMLElement {
  const item = element("p", "source-finding", element("strong", "", about), ` ${detail}`);
  item.dataset["level"] = level;
  if (mend) item.append(element("code", "", mend));
  return item;
}
