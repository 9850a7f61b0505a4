// The page's one connection, and what is shown of it: never more than is true.

import type { Follower, Gap, Message, SourceNews, State } from "../client/api/changecast.d.ts";
import { follow } from "../client/changecast.ts";
import { byId, count, say } from "./dom.ts";
import { span } from "./times.ts";
import { following, type View } from "./view.ts";

export interface Listener {
  message(message: Message): void;
  gap(gap: Gap): void;
  source(news: SourceNews): void;
  state(state: State): void;
}

const TICK_MS = 250;

export class Connection {
  readonly #listener: Listener;
  #follower: Follower | undefined;
  #view: View | undefined;
  #since = "";
  #state: State = { name: "connecting" };
  #timer: ReturnType<typeof setInterval> | undefined;
  #isPaused = false;
  /** When the reader dropped it, and where it was, until it is back. */
  #dropped: { at: number; position: string } | undefined;

  constructor(listener: Listener) {
    this.#listener = listener;
    byId("reconnect").addEventListener("click", () => this.reconnect());
    byId("drop").addEventListener("click", () => this.drop());
    setInterval(() => this.#showPosition(), 1000);
  }

  get state(): State {
    return this.#state;
  }

  /** The id up to which everything is here. */
  get position(): string | undefined {
    return this.#follower?.position;
  }

  /** Follows `view` from `since` on, in place of whatever was followed before. */
  open(view: View, since: string): void {
    this.#follower?.close();
    this.#view = view;
    this.#since = since;
    this.#show({ name: "connecting" });
    const follower = follow(location.origin, following(view, since));
    // One that was replaced has no say any more.
    const current = <T>(then: (value: T) => void) => (value: T) => {
      if (this.#follower === follower) then(value);
    };
    this.#follower = follower;
    follower.onMessage = current((message) => this.#listener.message(message));
    follower.onGap = current((gap) => this.#listener.gap(gap));
    follower.onSource = current((news) => this.#listener.source(news));
    follower.onState = current((state) => this.#onState(state));
    say(byId("transport-word"), view.transport === "sse" ? "SSE" : "WebSocket");
  }

  reconnect(): void {
    // One that was refused has ended for good.
    if (this.#state.name === "closed" && this.#view) this.open(this.#view, this.position ?? this.#since);
    else this.#follower?.reconnect();
  }

  drop(): void {
    const position = this.position;
    if (position) this.#dropped = { at: performance.now(), position };
    say(byId("drop-note"), "");
    this.#follower?.drop();
  }

  /** A paused list says so here, too: what it shows is not what is now. */
  set paused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.#show(this.#state);
  }

  #onState(state: State): void {
    this.#show(state);
    if (this.#dropped && (state.name === "live" || state.name === "catching-up")) {
      const { at, position } = this.#dropped;
      say(byId("drop-note"), `Resumed after ${span(performance.now() - at)}, from ${position} on.`);
      this.#dropped = undefined;
    }
    this.#listener.state(state);
  }

  #show(state: State): void {
    this.#state = state;
    clearInterval(this.#timer);
    if (state.name === "waiting") this.#timer = setInterval(() => this.#draw(), TICK_MS);
    this.#draw();
    this.#showPosition();
  }

  #draw(): void {
    const { name, word, more } = inWords(this.#state, this.#isPaused);
    const pill = byId("connection");
    pill.dataset["state"] = name;
    pill.title = "error" in this.#state ? (this.#state.error ?? "") : "";
    say(byId("connection-word"), word);
    say(byId("countdown"), more);
    byId("reconnect").hidden = name !== "waiting" && name !== "failed";
  }

  #showPosition(): void {
    say(byId("position"), this.#follower?.position ?? "–");
    byId("shared").hidden = !this.#follower?.isShared;
  }
}

/** The state's name in the page's styles; its word, which is said aloud; and what changes too often for that. */
function inWords(state: State, isPaused: boolean): { name: string; word: string; more: string } {
  switch (state.name) {
    case "connecting":
      return { name: "connecting", word: "Connecting", more: "" };
    case "catching-up":
      return { name: "catching-up", word: "Catching up", more: ` · ${count(state.behind)} behind` };
    case "live":
      return isPaused ? { name: "paused", word: "Paused", more: "" } : { name: "live", word: "Live", more: "" };
    case "waiting": {
      const seconds = Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000));
      return { name: "waiting", word: "Reconnecting", more: ` in ${seconds} s` };
    }
    case "closed":
      return { name: "failed", word: state.error ? "Refused" : "Closed", more: "" };
  }
}
