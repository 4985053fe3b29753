// Pass rates with their intervals, one row per run.

import { scaleLinear } from "d3-scale";
import { s } from "../dom";
import { interval, percent } from "../format";
import { ALL, type Report } from "../types";
import { asPercent, figure, frame, MANY, marker, rowNames, series, xAxis } from "./frame";

const ROW = 44;
const DENSE = 28;

export function ratesChart(report: Report, suite: string, width: number): HTMLElement | null {
  const [only] = report.runs;
  // Of one run all suites are shown at once; of several all runs on one suite.
  const all = report.runs.length === 1 && only && suite === ALL
    ? [...report.suites, ...(report.suites.length > 1 ? [ALL] : [])].map((name) => ({ name, run: only, index: 0, figures: only.suites[name] }))
    : report.runs.map((run, index) => ({ name: run.label, run, index, figures: run.suites[suite] }));
  const rows = all.filter((row) => row.figures && row.figures.rate.value !== null);
  if (!rows.length) return null;
  const row = rows.length > MANY ? DENSE : ROW;
  const area = frame(width, rows.length * row + 64, `Pass rates of ${suite}`, {
    left: Math.min(190, width * 0.36),
    right: 28,
  });
  const x = scaleLinear([0, 1], [area.left, area.right]);
  xAxis(area, x, x.ticks(5), asPercent, "pass rate");
  const baseline = rows.find((row) => row.run.baseline);
  if (baseline?.figures) {
    const line = x(baseline.figures.rate.value ?? 0);
    area.svg.append(s("line", { x1: line, x2: line, y1: area.top, y2: area.bottom, class: "reference" }));
  }
  const at = (place: number) => area.top + (place + 0.5) * row;
  const groups = rowNames(area, rows, row, at);
  rows.forEach(({ name, index, figures }, place) => {
    const { value, low, high } = figures!.rate;
    const y = at(place);
    const room = x(high) < area.right - 52;
    const beside = { x: room ? x(high) + 9 : x(low) - 9, "text-anchor": room ? "start" : "end" };
    groups[place]?.append(
      s("title", {}, `${name}: ${percent(value)} ${interval(low, high)}`),
      s("line", { x1: x(low), x2: x(high), y1: y, y2: y, class: `whisker ${series(index)}` }),
      marker(index, x(value ?? 0), y, "dot", 80),
      s("text", { ...beside, y: y + 4, class: "value" }, percent(value)),
    );
  });
  return figure(
    "Pass rate",
    `With ${100 * report.level} % intervals for questions like these${baseline ? "; the line marks the baseline" : ""}.`,
    ["", "questions", "pass rate", "interval", "lenient"],
    rows.map(({ name, figures }) => [
      name,
      String(figures!.questions),
      percent(figures!.rate.value),
      interval(figures!.rate.low, figures!.rate.high),
      percent(figures!.lenient?.value),
    ]),
    area.svg,
  );
}
