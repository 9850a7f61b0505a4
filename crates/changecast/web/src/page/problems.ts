// Why the server refuses something, in its own words, and which box of the form they belong to.

import { wholeMatch } from "./match.ts";
import type { View } from "./view.ts";

export type Box = "topic" | "text" | "match" | "start";

export interface Refusal {
  /** None if it has nothing to do with what was typed. */
  box: Box | undefined;
  words: string;
}

/** Asks the server for nothing but whether it would take this. None if it would, or cannot be asked. */
export async function refusal(view: View, since: string, signal?: AbortSignal): Promise<Refusal | undefined> {
  // What stands in the box alone, first: then the answer speaks of what was typed.
  if (view.match) {
    const refused = await ask([["match", view.match]], signal);
    if (refused) return refused;
  }
  const whole = wholeMatch(view);
  const refused = await ask(
    [
      ...view.topics.map((topic): [string, string] => ["topic", topic]),
      ["since", since],
      ...(whole ? [["match", whole] as [string, string]] : []),
    ],
    signal,
  );
  return refused?.box === "match" && view.text ? { ...refused, box: "text" } : refused;
}

async function ask(query: [string, string][], signal?: AbortSignal): Promise<Refusal | undefined> {
  // A poll that does not wait: whether it is taken is all that is wanted of it.
  const address = `/events?${new URLSearchParams([...query, ["wait", "0s"]])}`;
  try {
    const answer = await fetch(address, { headers: { accept: "application/x-ndjson" }, signal: signal ?? null });
    if (answer.status < 400 || answer.status > 499) return void answer.body?.cancel();
    const problem: { type?: string } = await answer.clone().json().catch(() => ({}));
    // Whoever may not ask at all has typed nothing wrong.
    const box = answer.status === 400 ? boxOf(problem.type ?? "", query) : undefined;
    return { box, words: await problemWords(answer) };
  } catch {
    return undefined;
  }
}

function boxOf(type: string, query: [string, string][]): Box | undefined {
  const name = type.split(":").at(-1);
  if (name === "since") return "start";
  if (name === "match" || name === "topic") return name;
  return query.length === 1 ? "match" : undefined;
}

/** What a refused answer says. */
export async function problemWords(answer: Response): Promise<string> {
  const problem: { detail?: unknown; title?: unknown } = await answer.json().catch(() => ({}));
  const words = problem.detail ?? problem.title;
  return typeof words === "string" ? words : `The server answered ${answer.status}.`;
}
