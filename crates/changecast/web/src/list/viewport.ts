// The window through which a list is seen: the element around it that scrolls, or the page.

export class Viewport {
  private scroller: HTMLElement | undefined;
  private known = false;

  constructor(private readonly container: HTMLElement, private readonly onScroll: () => void) {}

  /** Looks for what scrolls, once the list is in a page. */
  find(): void {
    if (this.known || !this.container.isConnected) return;
    this.known = true;
    this.scroller = scrollingAncestor(this.container);
    (this.scroller ?? window).addEventListener("scroll", this.onScroll, { passive: true });
    window.addEventListener("resize", this.onScroll, { passive: true });
  }

  /** For a list that is moved to another place, or gone. */
  forget(): void {
    (this.scroller ?? window).removeEventListener("scroll", this.onScroll);
    window.removeEventListener("resize", this.onScroll);
    this.known = false;
  }

  /** Whether the list itself is what scrolls. */
  get isContainer(): boolean {
    return this.scroller === this.container;
  }

  /** The upper edge, in the page's coordinates. */
  get top(): number {
    return this.scroller ? this.scroller.getBoundingClientRect().top + this.scroller.clientTop : 0;
  }

  get height(): number {
    return this.scroller ? this.scroller.clientHeight : window.innerHeight;
  }

  /** What covers the upper edge, such as a heading that stays, as the page's `scroll-padding-top` tells. */
  get inset(): number {
    return parseFloat(getComputedStyle(this.scroller ?? document.documentElement).scrollPaddingTop) || 0;
  }

  scrollBy(pixels: number): void {
    // "instant", since a page may have made scrolling smooth.
    (this.scroller ?? window).scrollBy({ top: pixels, behavior: "instant" });
  }
}

function scrollingAncestor(from: HTMLElement): HTMLElement | undefined {
  for (let node: Node | null = from; node; node = node.parentNode ?? (node instanceof ShadowRoot ? node.host : null)) {
    if (!(node instanceof HTMLElement) || node === document.body || node === document.documentElement) continue;
    if (/auto|scroll/.test(getComputedStyle(node).overflowY)) return node;
  }
  return undefined;
}
