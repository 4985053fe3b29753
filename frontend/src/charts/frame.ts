// What all charts share: a drawing of the width there is, axes, and the figures as a table.

import type { ScaleContinuousNumeric } from "d3-scale";
import { h, s } from "../dom";

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

// Names of rows at the left of a chart, cut to the room there is.
export function rowName(area: Frame, y: number, name: string, index: number): void {
  const most = Math.max(6, Math.floor((area.left - 26) / 6.6));
  const text = name.length > most ? `${name.slice(0, most - 1)}\u2026` : name;
  area.svg.append(
    s("circle", { cx: 8, cy: y, r: 4, class: `fill ${series(index)}` }),
    s("text", { x: 20, y: y + 4, class: "row-name" }, s("title", {}, name), text),
  );
}

const SERIES = 8;

export function series(index: number): string {
  return `s${index % SERIES}`;
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
