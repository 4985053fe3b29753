// How completions ended, as a stacked bar; and an interval as a small drawing.

import { h, s } from "../dom";
import { counted, interval, percent, whole } from "../format";
import type { Rate, Report, SuiteFigures } from "../types";

export function outcomeBar(report: Report, figures: SuiteFigures): SVGElement {
  const classes = report.results.filter((name) => name !== "error");
  const total = figures.samples || 1;
  const words = classes.map((name) => `${name} ${whole(figures.counts[name] ?? 0)}`).join(", ");
  const bar = s(
    "svg",
    { viewBox: "0 0 200 10", preserveAspectRatio: "none", role: "img", class: "outcomes", "aria-label": `of ${counted(figures.samples, "completion")}: ${words}` },
    s("title", {}, words),
  );
  let x = 0;
  for (const name of classes) {
    const width = (200 * (figures.counts[name] ?? 0)) / total;
    if (width > 0) bar.append(s("rect", { x, y: 0, width, height: 10, class: `fill c-${name}` }));
    x += width;
  }
  return bar;
}

export function rateStrip(rate: Rate): SVGElement {
  const at = (share: number) => 4 + 192 * share;
  return s(
    "svg",
    { viewBox: "0 0 200 12", preserveAspectRatio: "none", class: "strip", role: "img", "aria-label": `${percent(rate.value)}, interval ${interval(rate.low, rate.high)}` },
    s("line", { x1: at(0), x2: at(1), y1: 6, y2: 6, class: "track" }),
    s("line", { x1: at(rate.low), x2: at(rate.high), y1: 6, y2: 6, class: "range" }),
    s("line", { x1: at(rate.value ?? 0), x2: at(rate.value ?? 0), y1: 1, y2: 11, class: "at" }),
  );
}

export function outcomeLegend(report: Report): HTMLElement {
  return h(
    "ul",
    { class: "legend" },
    ...report.results
      .filter((name) => name !== "error")
      .map((name) => h("li", {}, h("span", { class: `swatch c-${name}`, "aria-hidden": "true" }), name)),
  );
}
