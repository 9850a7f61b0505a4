// <change-stream>: the list of changes on anybody's page.
//
//     <script type="module" src="https://changes.example.org/change-stream.js"></script>
//     <change-stream src="https://changes.example.org" topic="shop.orders" since="last:20"></change-stream>
//
// The page's own origin has to be one that the server was given as `--allow-origin`, if it is another.

import { follow } from "../client/changecast.ts";
import type { Follower, Gap, Message, State } from "../client/api/changecast.d.ts";
import { ChangeList } from "../list/change-list.ts";
import { element } from "../list/dom.ts";
import { THEME_CLASS } from "../list/style.ts";
import { StateLine } from "./state-line.ts";
import { adoptElementStyle } from "./style.ts";

const MAX = 200;
const CARDS_MAX = 10_000;

/** What a change of makes it begin anew. */
const FOLLOWED = ["src", "topic", "match", "since", "max"];

interface ChangeStreamEvents {
  /** A change came: `detail` is it, with its id and topic. */
  change: CustomEvent<Message>;
  /** Something is missing. */
  gap: CustomEvent<Gap>;
  /** The connection is in another state. */
  state: CustomEvent<State>;
}

export class ChangeStream extends HTMLElement {
  static readonly observedAttributes = [...FOLLOWED, "theme"];

  private readonly frame = element("div", `frame ${THEME_CLASS}`);
  private readonly line = new StateLine(() => this.togglePause());
  private readonly empty = element("p", "empty", "No change yet.");
  private list: ChangeList | undefined;
  private follows: Follower | undefined;
  private isStarted = false;
  private isRestarting = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    adoptElementStyle(root);
    this.frame.append(this.line.element, this.empty);
    this.frame.addEventListener("keydown", (event) => this.press(event));
    root.append(this.frame);
  }

  /** What it follows the server with, while it is in a page. */
  get follower(): Follower | undefined {
    return this.follows;
  }

  get isPaused(): boolean {
    return this.list?.isPaused ?? false;
  }

  /** Keeps the list as it is; what comes meanwhile waits. */
  pause(): void {
    this.list?.pause();
  }

  resume(): void {
    this.list?.resume();
  }

  /** Empties the list. */
  clear(): void {
    this.list?.clear();
  }

  connectedCallback(): void {
    // What is moved within a page goes on as if nothing were.
    if (!this.isStarted) this.start();
  }

  disconnectedCallback(): void {
    queueMicrotask(() => this.isConnected || this.stop());
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === "theme") this.showTheme();
    else this.restart();
  }

  /** Once, however many attributes are set in one go. */
  private restart(): void {
    if (!this.isStarted || this.isRestarting) return;
    this.isRestarting = true;
    queueMicrotask(() => {
      this.isRestarting = false;
      if (!this.isStarted) return;
      this.stop();
      if (this.isConnected) this.start();
    });
  }

  private start(): void {
    this.isStarted = true;
    this.showTheme();
    const max = Math.floor(Number(this.getAttribute("max")));
    const container = element("div", "list");
    container.setAttribute("part", "list");
    this.frame.append(container);
    try {
      // This script comes from the server, so that a page on the server's own origin need not name it.
      const server = new URL(this.getAttribute("src") ?? new URL(import.meta.url).origin, document.baseURI);
      const list = new ChangeList(container, { max: max >= 1 ? Math.min(max, CARDS_MAX) : MAX, origin: server.origin });
      list.onCount = () => {
        this.line.showFlow(list.received, list.isPaused, list.waiting);
        this.empty.hidden = list.shown > 0;
      };
      list.onCount();
      this.list = list;
      this.follow(server, list);
    } catch (error) {
      this.showState({ name: "closed", error: error instanceof Error ? error.message : String(error) });
    }
  }

  private follow(server: URL, list: ChangeList): void {
    const topics = this.getAttribute("topic")?.split(",").map((topic) => topic.trim()).filter(Boolean) ?? [];
    const match = this.getAttribute("match");
    const since = this.getAttribute("since");
    const follower = follow(server, { topics, ...(match && { match }), ...(since && { since }) });
    this.follows = follower;
    follower.onMessage = (message) => {
      list.add({ kind: "change", arrival: Date.now(), ...message });
      this.tell("change", message);
    };
    follower.onGap = (gap) => {
      list.add({ kind: "gap", id: gap.id, gap, arrival: Date.now() });
      this.tell("gap", gap);
    };
    follower.onState = (state) => this.showState(state);
    this.showState(follower.state);
  }

  private stop(): void {
    const { follows } = this;
    this.isStarted = false;
    this.follows = undefined;
    follows?.close();
    this.line.stop();
    this.list?.close();
    this.list = undefined;
    this.frame.querySelector(".list")?.remove();
  }

  private showState(state: State): void {
    this.line.showState(state);
    this.tell("state", state);
  }

  private tell<K extends keyof ChangeStreamEvents>(name: K, detail: ChangeStreamEvents[K]["detail"]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  private showTheme(): void {
    const theme = this.getAttribute("theme");
    if (theme === "light" || theme === "dark") this.frame.dataset["theme"] = theme;
    else delete this.frame.dataset["theme"];
  }

  private togglePause(): void {
    if (this.isPaused) this.resume();
    else this.pause();
  }

  /** The live page's keys, while the focus is here. */
  private press(event: KeyboardEvent): void {
    const { list } = this;
    if (!list || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnCard = event.target instanceof HTMLElement && event.target.classList.contains("card");
    switch (event.key) {
      case "j": list.select(1); break;
      case "k": list.select(-1); break;
      case "g": list.select("first"); break;
      case "G": list.select("last"); break;
      case "p": this.togglePause(); break;
      case "Enter": if (isOnCard) { list.toggle(); break; } return;
      default: return;
    }
    event.preventDefault();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "change-stream": ChangeStream;
  }
}

// Two scripts on one page may bring it.
if (!customElements.get("change-stream")) customElements.define("change-stream", ChangeStream);
