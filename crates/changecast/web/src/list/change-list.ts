// The list of changes, newest first: it takes whatever comes, keeps the last of it, and shows what is in sight.
//
// - Nothing moves under a reader: who has scrolled away, selected or touched a card holds the list, and what comes meanwhile
//   waits. `stickToTop` lets go.
// - A frame costs what is in sight, not what is in the list.

import { Announcer } from "./announcer.ts";
import { Bar } from "./bar.ts";
import { Cards } from "./cards.ts";
import { showBody } from "./card.ts";
import { copyText } from "./clipboard.ts";
import { startOf } from "./dom.ts";
import { Frames } from "./frames.ts";
import type { Entry } from "./history.ts";
import { Intake } from "./intake.ts";
import type { Item } from "./item.ts";
import { CopyMenu } from "./menu.ts";
import { COPY_KINDS, snippet, type CopyKind } from "./snippets.ts";
import { adoptListStyle, THEME_CLASS } from "./style.ts";
import { Clock } from "./time.ts";
import { clickTree, pressInTree } from "./tree.ts";
import { Viewport } from "./viewport.ts";

export type { CopyKind, Item };

export interface ListOptions {
  /** How many cards are kept. */
  max?: number;
  /** The server's origin, for the lines that are copied; the page's own unless given. */
  origin?: string;
}

const MAX = 10_000;
/** More at once are not seen to arrive one by one. */
const ARRIVALS_MAX = 3;
/** Scrolled by less, the list still counts as at its top. */
const TOP_PX = 8;

export class ChangeList {
  /** Called after any of the numbers moved, at most once a frame. */
  onCount: (() => void) | null = null;

  private readonly origin: string;
  private readonly intake: Intake;
  private readonly viewport: Viewport;
  private readonly cards: Cards;
  private readonly clock = new Clock();
  private readonly announcer = new Announcer();
  private readonly bar: Bar;
  private readonly menu: CopyMenu;
  private readonly frames: Frames;
  private readonly listeners = new AbortController();

  private told = 0;
  private isStopped = false;
  private isHeld = false;
  /** Held since a card was touched, and for no other reason. */
  private isTouched = false;
  private wasAway = false;
  private selected: Entry | undefined;

  constructor(private readonly container: HTMLElement, options: ListOptions = {}) {
    this.origin = options.origin ?? location.origin;
    this.intake = new Intake(Math.max(1, options.max ?? MAX), (share) => this.bar.showSampling(share));
    this.frames = new Frames(() => this.frame());
    this.viewport = new Viewport(container, () => this.scrolled());
    this.bar = new Bar(() => (this.stickToTop = true));
    this.menu = new CopyMenu((card, kind) => void this.copyEntry(this.cards.entry(card), kind));
    this.cards = new Cards(container, this.viewport, this.intake.history.entries, this.clock, () => this.frames.ask());
    this.prepare();
  }

  private prepare(): void {
    const { container } = this;
    adoptListStyle(container);
    container.classList.add("cc-list");
    if (!container.closest(`.${THEME_CLASS}`)) container.classList.add(THEME_CLASS);
    container.setAttribute("role", "log");
    if (!container.hasAttribute("aria-label")) container.setAttribute("aria-label", "Changes, newest first");
    // Cards come and go as the list scrolls; what is new is told by the announcer.
    container.setAttribute("aria-live", "off");
    this.bar.element.append(this.announcer.element);
    container.append(this.bar.element, this.bar.sampling);
    const { signal } = this.listeners;
    container.addEventListener("click", (event) => this.click(event), { signal });
    container.addEventListener("keydown", (event) => this.press(event), { signal });
    container.addEventListener("pointerdown", (event) => this.touch(event), { signal });
    container.addEventListener("focusin", (event) => this.touch(event), { signal });
    document.addEventListener("click", (event) => this.clickElsewhere(event), { signal });
  }

  /** Takes the list out of the page. */
  close(): void {
    this.listeners.abort();
    this.frames.stop();
    this.menu.close();
    this.viewport.forget();
    this.cards.clear();
    this.container.replaceChildren();
  }

  /* ---------- What comes ---------- */

  add(item: Item): void {
    this.intake.add(item, this.isOpen);
    this.frames.ask();
  }

  /** All changes that came. */
  get received(): number {
    return this.intake.received;
  }

  /** How many cards the list has now. */
  get shown(): number {
    return this.intake.history.entries.length;
  }

  /** How many changes were left out, since more came than can be shown. */
  get sampledOut(): number {
    return this.intake.sampledOut;
  }

  /** How many came since the list was paused or held. */
  get waiting(): number {
    return this.intake.waitingCount;
  }

  /** Whether what comes moves the list. */
  private get isOpen(): boolean {
    return !this.isStopped && !this.isHeld;
  }

  private frame(): void {
    this.viewport.find();
    // Where the list itself scrolls, the keyboard must reach it.
    this.container.tabIndex = this.viewport.isContainer ? 0 : -1;
    const joined = this.intake.settle(this.isOpen);
    const { seen } = this.intake;
    this.cards.render(!this.isOpen, joined <= ARRIVALS_MAX ? joined : 0);
    this.showSelected();
    if (joined > ARRIVALS_MAX) this.frames.calm();
    this.bar.showNewer(this.isHeld && !this.isStopped ? this.waiting : 0);
    if (seen !== this.told) this.intake.announce(this.announcer);
    this.told = seen;
    this.onCount?.();
  }

  /* ---------- Pause, clear, hold ---------- */

  pause(): void {
    this.isStopped = true;
    this.frames.ask();
  }

  resume(): void {
    this.isStopped = false;
    this.intake.settle(this.isOpen);
    this.frames.ask();
  }

  get isPaused(): boolean {
    return this.isStopped;
  }

  /** Forgets all changes, and how many there were. */
  clear(): void {
    this.intake.clear();
    this.told = 0;
    this.selected = undefined;
    this.isHeld = this.isTouched = this.wasAway = false;
    this.menu.close();
    this.frames.ask();
  }

  /** Whether new changes move the list: not while somebody reads further down, or has touched a card. */
  get stickToTop(): boolean {
    return !this.isHeld;
  }

  set stickToTop(sticks: boolean) {
    this.isHeld = !sticks;
    this.isTouched = this.wasAway = false;
    if (sticks) {
      this.selected = undefined;
      this.menu.close();
      this.viewport.find();
      if (this.cards.offset > 0) this.scrollTo(-this.viewport.inset);
    }
    this.frames.run();
  }

  private scrolled(): void {
    const isAway = this.cards.offset > TOP_PX;
    if (isAway) this.isHeld = true;
    else if (this.wasAway && this.selected === undefined) this.isHeld = this.isTouched = false;
    this.wasAway = isAway;
    this.frames.ask();
  }

  /** Whoever touches a card wants it to stay. */
  private touch(event: Event): void {
    if (startOf(event)?.closest(".card")) this.hold();
  }

  /** Whoever goes on elsewhere lets go of the card that they touched; not of a place further down. */
  private clickElsewhere(event: Event): void {
    if (!this.isTouched || this.wasAway || event.composedPath().includes(this.container)) return;
    this.isHeld = this.isTouched = false;
    this.selected = undefined;
    this.frames.ask();
  }

  private hold(): void {
    if (this.isHeld) return;
    this.intake.settle(this.isOpen);
    this.isHeld = this.isTouched = true;
  }

  private scrollTo(offset: number): void {
    this.viewport.scrollBy(offset - this.cards.offset);
  }

  /* ---------- One card ---------- */

  /** Moves the selection; from none, both ways, to the newest. */
  select(step: 1 | -1 | "first" | "last"): void {
    if (step === "first") this.intake.settle(!this.isStopped);
    const { entries } = this.intake.history;
    if (entries.length > 0) this.hold();
    const at = this.selected ? entries.indexOf(this.selected) : -1;
    const index = step === "first" || (at < 0 && step !== "last") ? entries.length - 1 : step === "last" ? 0 : at - step;
    const entry = entries[Math.min(Math.max(index, 0), entries.length - 1)];
    if (!entry) return;
    this.selected = entry;
    // Drawn first, so that there is a place to scroll to.
    this.frames.run();
    if (!this.cards.card(entry)) {
      this.scrollTo(this.cards.offsetOf(entry) - this.viewport.inset);
      this.frames.run();
    }
    const card = this.cards.card(entry);
    card?.focus({ preventScroll: true });
    card?.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  private showSelected(): void {
    const card = this.selected && this.cards.card(this.selected);
    const shown = this.container.querySelector(".card.selected");
    if (shown === card) return;
    shown?.classList.remove("selected");
    card?.classList.add("selected");
  }

  /** Folds or unfolds the selected card, or else the newest. */
  toggle(): void {
    const entry = this.selected ?? this.intake.history.entries.at(-1);
    if (!entry) return;
    this.hold();
    this.toggleEntry(entry);
  }

  private toggleEntry(entry: Entry | undefined): void {
    const card = entry && this.cards.card(entry);
    if (!card || !entry?.view) return;
    entry.view.isFolded = !entry.view.isFolded;
    showBody(card, entry);
    this.frames.ask();
  }

  /** Copies the selected card, or else the newest. */
  async copy(what: CopyKind): Promise<void> {
    await this.copyEntry(this.selected ?? this.intake.history.entries.at(-1), what);
  }

  private async copyEntry(entry: Entry | undefined, kind: CopyKind): Promise<void> {
    if (!entry) return;
    const isCopied = await copyText(snippet(entry.item, kind, this.origin), this.bar.element);
    const { label } = COPY_KINDS.find((other) => other.kind === kind)!;
    const words = isCopied ? `Copied: ${label}` : "The browser does not let this page copy.";
    this.bar.say(words);
    this.announcer.now(words);
  }

  private click(event: MouseEvent): void {
    const start = startOf(event);
    const card = start?.closest(".card");
    if (!start || !card) return;
    const menuButton = start.closest<HTMLElement>(".menu-button");
    if (menuButton) this.menu.toggle(menuButton);
    else if (start.closest(".fold")) this.toggleEntry(this.cards.entry(card));
    else if (clickTree(start)) this.frames.ask();
  }

  private press(event: KeyboardEvent): void {
    const start = startOf(event);
    if (!start || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && this.isHeld) this.stickToTop = true;
    else if (!pressInTree(start, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    this.frames.ask();
  }
}
