// How long one run's completions are, and what became of those of each length.

import { scaleLinear, scaleLog } from "d3-scale";
import { s } from "../dom";
import { count, counted, whole } from "../format";
import type { Report } from "../types";
import { figure, frame, legend, logTicks, xAxis, yAxis } from "./frame";

export function histogramChart(report: Report, suite: string, width: number): HTMLElement | null {
  const bins = report.runs[0]?.suites[suite]?.bins;
  if (!bins) return null;
  const { edges, counts } = bins;
  const classes = report.results.filter((name) => counts[name]);
  const rows = edges.slice(0, -1).map((from, place) => ({
    from,
    to: edges[place + 1] ?? from,
    parts: classes.map((name) => counts[name]?.[place] ?? 0),
  }));
  const sums = rows.map((row) => row.parts.reduce((sum, part) => sum + part, 0));
  const low = edges[0] ?? 1;
  const high = edges[edges.length - 1] ?? 2;
  const area = frame(width, 260, `Tokens of completions, ${suite}`, { right: 22 });
  const x = scaleLog([low, high], [area.left, area.right]);
  const y = scaleLinear([0, Math.max(1, ...sums)], [area.bottom, area.top]);
  yAxis(area, y, y.ticks(4).filter(Number.isInteger), whole);
  xAxis(area, x, logTicks(low, high), (value) => count(value), "tokens of one completion");
  rows.forEach((row) => {
    const [left, right] = [x(row.from), x(row.to)];
    const said = classes.map((name, at) => (row.parts[at] ? `${name} ${whole(row.parts[at])}` : "")).filter(Boolean).join(", ");
    const bar = s("g", {}, s("title", {}, `${count(row.from)} to ${count(row.to - 1)} tokens: ${said || "none"}`));
    let below = 0;
    classes.forEach((name, at) => {
      const part = row.parts[at] ?? 0;
      if (!part) return;
      bar.append(s("rect", { x: left + 0.5, width: Math.max(1, right - left - 1), y: y(below + part), height: y(below) - y(below + part), class: `fill c-${name}` }));
      below += part;
    });
    area.svg.append(bar);
  });
  return figure(
    report.suites.length > 1 ? `Tokens per completion: ${suite}` : "Tokens per completion",
    `${counted(sums.reduce((sum, part) => sum + part, 0), "completion")}, by length and by what became of them.`,
    ["tokens", ...classes],
    rows.map((row) => [`${whole(row.from)} to ${whole(row.to - 1)}`, ...row.parts.map(whole)]),
    area.svg,
    legend(classes.map((name) => [`c-${name}`, name])),
  );
}
