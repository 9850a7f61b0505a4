// The throughput, drawn: one line per operation, as sharp as the screen, and the same in words.

import { byId, count, element, say } from "./dom.ts";
import { LINES, type Line, type Throughput } from "./throughput.ts";

const COLOURS: Record<Line, string> = {
  insert: "--green",
  update: "--blue",
  replace: "--violet",
  delete: "--red",
  other: "--slate",
};

/** The length of a step in seconds, by that of the range: 60 to 120 steps each. */
const STEPS: Record<number, number> = { 60: 1, 600: 5, 3600: 30 };
const RANGE_WORDS: Record<number, string> = { 60: "minute", 600: "10 minutes", 3600: "60 minutes" };

/** A screen reader may look at it at any time, but need not be told more often than this. */
const WORDS_EVERY_MS = 5_000;
/** What "now" means for the number beside the chart. */
const RATE_SECONDS = 5;
/** For the lines' width, above and below. */
const MARGIN = 3;
/** For the scale's number, on the left. */
const GUTTER = 38;

export class Chart {
  readonly #throughput: Throughput;
  readonly #canvas = byId<HTMLCanvasElement>("throughput");
  readonly #legend = new Map<Line, HTMLElement>();
  #seconds = 60;
  #worded = 0;

  constructor(throughput: Throughput) {
    this.#throughput = throughput;
    this.#makeLegend();
    const redraw = () => this.draw();
    byId("ranges").addEventListener("change", (event) => this.range((event.target as HTMLInputElement).value));
    new ResizeObserver(redraw).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    // It moves by the second, and not at all while nobody sees it.
    setInterval(() => document.hidden || redraw(), 1000);
    document.addEventListener("visibilitychange", redraw);
  }

  /** Shows the last 60, 600 or 3600 seconds. */
  range(seconds: string): void {
    this.#seconds = Number(seconds);
    for (const input of byId("ranges").querySelectorAll("input")) input.checked = input.value === seconds;
    this.#worded = 0;
    this.draw();
  }

  draw(): void {
    const step = STEPS[this.#seconds] ?? 1;
    const rates = this.#throughput.rates(step, this.#seconds / step);
    const peak = Math.max(0, ...rates.flat());
    this.#paint(rates, peak);
    say(byId("rate"), rate(sum(this.#throughput.totals(RATE_SECONDS)) / RATE_SECONDS));
    LINES.forEach((line, at) => {
      const item = this.#legend.get(line);
      if (item) item.hidden = !rates[at]?.some((value) => value > 0);
    });
    this.#describe(peak);
  }

  #paint(rates: number[][], peak: number): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const context = this.#canvas.getContext("2d");
    if (!context || width === 0) return;
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    context.scale(devicePixelRatio, devicePixelRatio);
    const style = getComputedStyle(this.#canvas);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const top = peak === 0 ? 1 : niceCeiling(peak);
    const x = (part: number) => GUTTER + part * (width - GUTTER);
    const y = (value: number) => height - MARGIN - (value / top) * (height - 2 * MARGIN);

    context.strokeStyle = colour("--line");
    context.lineWidth = 1 / devicePixelRatio;
    for (const part of [0, 0.5, 1]) {
      const level = Math.round(y(part * top) * devicePixelRatio) / devicePixelRatio + context.lineWidth / 2;
      strokeLine(context, [[GUTTER, level], [width, level]]);
    }
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    LINES.forEach((line, at) => {
      const values = rates[at] ?? [];
      if (!values.some((value) => value > 0)) return;
      const points = values.map((value, step): [number, number] => [x(step / (values.length - 1)), y(value)]);
      context.strokeStyle = context.fillStyle = colour(COLOURS[line]);
      fillUnder(context, points, height);
      strokeLine(context, points);
    });
    context.font = `11px ${style.fontFamily}`;
    context.fillStyle = colour("--quiet");
    context.textBaseline = "top";
    if (peak > 0) context.fillText(`${rate(top)}/s`, 0, 1);
  }

  #describe(peak: number): void {
    if (Date.now() - this.#worded < WORDS_EVERY_MS) return;
    this.#worded = Date.now();
    const totals = this.#throughput.totals(this.#seconds);
    const parts = LINES.flatMap((line, at) => (totals[at] ? [`${count(totals[at])} ${line}`] : []));
    const range = RANGE_WORDS[this.#seconds] ?? "";
    const words = parts.length === 0
      ? `No changes in the last ${range}`
      : `Changes in the last ${range}: ${parts.join(", ")}; at most ${rate(peak)} per second`;
    this.#canvas.setAttribute("aria-label", words);
  }

  #makeLegend(): void {
    for (const line of LINES) {
      const item = element("li", `op-${line}`, element("span", "dot"), line);
      item.hidden = true;
      this.#legend.set(line, item);
      byId("legend").append(item);
    }
  }
}

function strokeLine(context: CanvasRenderingContext2D, points: [number, number][]): void {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

function fillUnder(context: CanvasRenderingContext2D, points: [number, number][], bottom: number): void {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.lineTo(points.at(-1)?.[0] ?? 0, bottom);
  context.lineTo(points[0]?.[0] ?? 0, bottom);
  context.globalAlpha = 0.06;
  context.fill();
  context.globalAlpha = 1;
}

const sum = (numbers: number[]): number => numbers.reduce((one, other) => one + other, 0);

/** The next round number: a scale that does not move with every change. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

/** 0.4, 17, 3.5K: what has room beside the chart. */
function rate(value: number): string {
  if (value >= 1000) return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}
