// What became of completions, as a stacked bar.

import { h, s } from "../dom";
import { counted, whole } from "../format";
import type { Report, SuiteFigures } from "../types";

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

export function outcomeLegend(report: Report): HTMLElement {
  return h(
    "ul",
    { class: "legend" },
    ...report.results
      .filter((name) => name !== "error")
      .map((name) => h("li", {}, h("span", { class: `swatch c-${name}`, "aria-hidden": "true" }), name)),
  );
}
