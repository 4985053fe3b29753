// What all charts share: a drawing of the width there is, axes, and the figures as a table.

import type { ScaleContinuousNumeric } from "d3-scale";
import { type SymbolType, symbol, symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolStar, symbolTriangle } from "d3-shape";
import { h, s } from "../dom";
import { shortNames } from "../names";
import type { Report } from "../types";

export type Scale = ScaleContinuousNumeric<number, number>;

export interface Frame {
  svg: SVGElement;
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Margins {
  left?: number;
  right?: number;
  top?: number;
  bottom?: number;
}

export function frame(width: number, height: number, label: string, margins: Margins = {}): Frame {
  const svg = s("svg", {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
    "aria-label": label,
    class: "chart",
  });
  const { left = 52, right = 16, top = 14, bottom = 40 } = margins;
  return { svg, width, height, left, right: width - right, top, bottom: height - bottom };
}

export function xAxis(
  area: Frame, scale: Scale, ticks: number[], format: (value: number) => string, title: string,
): void {
  const axis = s("g", { class: "axis" });
  for (const tick of ticks) {
    const x = scale(tick);
    axis.append(
      s("line", { x1: x, x2: x, y1: area.top, y2: area.bottom, class: "grid" }),
      s("text", { x, y: area.bottom + 16, "text-anchor": "middle" }, format(tick)),
    );
  }
  axis.append(
    s("line", { x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom, class: "base" }),
    s("text", { x: (area.left + area.right) / 2, y: area.bottom + 34, "text-anchor": "middle", class: "axis-title" }, title),
  );
  area.svg.append(axis);
}

export function yAxis(
  area: Frame, scale: Scale, ticks: number[], format: (value: number) => string,
): void {
  const axis = s("g", { class: "axis" });
  for (const tick of ticks) {
    const y = scale(tick);
    axis.append(
      s("line", { x1: area.left, x2: area.right, y1: y, y2: y, class: "grid" }),
      s("text", { x: area.left - 8, y: y + 4, "text-anchor": "end" }, format(tick)),
    );
  }
  area.svg.append(axis);
}

// Two charts side by side where there is room for both.
export function chartWidth(): number {
  const room = document.documentElement.clientWidth;
  return Math.max(300, Math.min(WIDEST, room > 1080 ? (Math.min(room, 1400) - 140) / 2 : room - 56));
}

// A chart's place, which is filled once what surrounds it can be read: figures come before pictures.
// The event `drawn` tells of it; where there is nothing to draw the place goes.
export function drawnLater(draw: (width: number) => HTMLElement | null): HTMLElement {
  const place = h("figure", { class: "card plot coming", "aria-busy": "true" });
  whenIdle(() => {
    if (!place.isConnected) return;
    const around = place.parentElement;
    const chart = draw(chartWidth());
    if (chart) place.replaceWith(chart);
    else place.remove();
    around?.dispatchEvent(new Event("drawn", { bubbles: true }));
  });
  return place;
}

// Not at once, nor between two parts of a large file that is still being read, but soon all the same.
function whenIdle(then: () => void): void {
  if ("requestIdleCallback" in window) requestIdleCallback(then, { timeout: 1000 });
  else setTimeout(then, 100);
}

const WIDEST = 620;
const COLORS = 12;
const SHAPES: SymbolType[] = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolStar, symbolCross];
export const MANY = 6;

export function series(index: number): string {
  return `s${index % COLORS}`;
}

// A run's shape: beside its colour, so that no two of 72 runs have both in common.
export function marker(index: number, x: number, y: number, kind = "fill", size = 60): SVGElement {
  const shape = SHAPES[(index + Math.floor(index / COLORS)) % SHAPES.length]!;
  return s("path", { d: symbol(shape, size)() ?? "", transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`, class: `mark ${kind} ${series(index)}` });
}

export interface RowName {
  name: string;
  index: number;
}

// Names of rows at the left of a chart, cut to the room there is; each gets its own group, in which
// the whole row is one place to point at.
export function rowNames(area: Frame, rows: RowName[], height: number, y: (place: number) => number): SVGElement[] {
  const short = shortNames(rows.map((row) => row.name), Math.floor((area.left - 26) / 7.2));
  return rows.map(({ name, index }, place) => {
    const group = s("g", { class: series(index), "data-run": index });
    group.append(
      s("rect", { x: 0, y: y(place) - height / 2, width: area.width, height, class: "reach" }),
      marker(index, 8, y(place)),
      s("text", { x: 20, y: y(place) + 4, class: "row-name" }, s("title", {}, name), short[place] ?? ""),
    );
    area.svg.append(group);
    return group;
  });
}

// What stands for each run: its colour and shape, by which it is also picked out.
export function runLegend(report: Report, runs: number[]): HTMLElement {
  return h(
    "ul",
    { class: "legend runs" },
    ...runs.map((index) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "run-key", "data-run": index, "aria-pressed": "false", title: "pick it out" },
          s("svg", { viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" }, marker(index, 7, 7)),
          report.runs[index]?.label ?? "",
        ),
      ),
    ),
  );
}

export function percentTicks(scale: Scale): number[] {
  return scale.ticks(5);
}

export const asPercent = (value: number) => `${Math.round(100 * value)} %`;

// Powers of ten, and of 2 and 5 between them where there is room.
export function logTicks(low: number, high: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of [1, 2, 5]) ticks.push(factor * 10 ** power);
  }
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  return inside.length > 8 ? inside.filter((tick) => /^1/.test(String(tick))) : inside;
}

// A chart with its title, what it says, and its figures as a table.
export function figure(
  title: string, note: string, head: string[], rows: string[][], ...content: (Node | string)[]
): HTMLElement {
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))));
  const body = h("tbody");
  for (const row of rows) {
    const [name, ...cells] = row;
    body.append(h("tr", {}, h("th", { scope: "row" }, name ?? ""), ...cells.map((cell) => h("td", {}, cell))));
  }
  table.append(body);
  return h(
    "figure",
    { class: "card plot" },
    h("figcaption", {}, h("h2", {}, title), h("p", { class: "quiet" }, note)),
    ...content,
    rows.length > 0 && h("details", { class: "figures" }, h("summary", {}, "The figures"), h("div", { class: "scroll" }, table)),
  );
}

export function legend(entries: [string, string][]): HTMLElement {
  return h(
    "ul",
    { class: "legend" },
    ...entries.map(([kind, name]) => h("li", {}, h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), name)),
  );
}
