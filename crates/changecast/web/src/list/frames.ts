// Does work once a frame, however often it is asked for; and while the list moves fast, less often: nobody reads faster.

/** A page that nobody sees gets no frames, so a timer stands in for them. */
const HIDDEN_MS = 250;
const CALM_MS = 100;

export class Frames {
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private calmUntil = 0;
  private isOver = false;

  constructor(private readonly work: () => void) {}

  ask(): void {
    if (this.timer !== undefined || this.isOver) return;
    const wait = this.calmUntil - performance.now();
    this.timer = setTimeout(this.run, HIDDEN_MS + Math.max(0, wait));
    if (wait <= 0) this.frame = requestAnimationFrame(this.run);
    else setTimeout(() => this.timer !== undefined && (this.frame = requestAnimationFrame(this.run)), wait);
  }

  /** Now, instead of at the next frame. */
  readonly run = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    this.frame = undefined;
    if (!this.isOver) this.work();
  };

  /** No more of it. */
  stop(): void {
    this.isOver = true;
    this.run();
  }

  /** The next time not at once. */
  calm(): void {
    this.calmUntil = performance.now() + CALM_MS;
  }
}
