// What is looked at: chosen in the form, kept in the page's address, so that a link shares it.

import type { FollowOptions } from "../client/api/changecast.d.ts";
import { wholeMatch } from "./match.ts";

export type Transport = "sse" | "websocket";

export interface View {
  /** Topics and patterns; none means all. */
  topics: string[];
  /** Operations of `OPERATIONS`; none means all. */
  operations: string[];
  /** As it was typed. */
  text: string;
  /** A `$match` document, as it was typed. */
  match: string;
  /** As the server takes it; the page's own beginning if it is empty. */
  since: string;
  transport: Transport;
}

/** What can be chosen; `other` is whatever is none of the rest. */
export const OPERATIONS = ["insert", "update", "replace", "delete", "other"];

export function readView(search: string): View {
  const query = new URLSearchParams(search);
  const one = (name: string) => query.get(name)?.trim() ?? "";
  return {
    topics: distinct(query.getAll("topic").map((topic) => topic.trim()).filter(Boolean)),
    operations: OPERATIONS.filter((operation) => query.getAll("op").includes(operation)),
    text: one("text"),
    match: one("match"),
    since: one("since"),
    transport: one("transport") === "websocket" ? "websocket" : "sse",
  };
}

/** The address of a view: what is as usual is left out. */
export function writeView(view: View): string {
  const query = new URLSearchParams();
  for (const topic of view.topics) query.append("topic", topic);
  for (const operation of view.operations) query.append("op", operation);
  for (const name of ["text", "match", "since"] as const) if (view[name]) query.set(name, view[name]);
  if (view.transport !== "sse") query.set("transport", view.transport);
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** What to ask the server for. */
export function following(view: View, since: string): FollowOptions {
  const match = wholeMatch(view);
  return {
    topics: view.topics,
    since,
    transport: view.transport,
    ...(match ? { match } : {}),
  };
}

/** The server's address for a view, as a person would write it. */
export function eventsAddress(view: View): string {
  const query = new URLSearchParams();
  for (const topic of view.topics) query.append("topic", topic);
  const match = wholeMatch(view);
  if (match) query.set("match", match);
  if (view.since) query.set("since", view.since);
  const text = query.toString();
  return `${location.origin}/events${text ? `?${text}` : ""}`;
}

/** Whether both show the same changes; the transport makes no difference to them. */
export function showsTheSame(one: View, other: View): boolean {
  return writeView({ ...one, transport: "sse" }) === writeView({ ...other, transport: "sse" });
}

/** What is chosen, in a few words. */
export function inWords(view: View): string {
  const parts = [
    view.topics.join(", "),
    view.operations.join(", "),
    view.text && `“${view.text}”`,
    view.match && "$match",
    view.since && `since ${view.since}`,
  ].filter(Boolean);
  return parts.length === 0 ? "everything" : parts.join(" · ");
}

const distinct = (texts: string[]): string[] => [...new Set(texts)];
