// Pass rates with their intervals, one row per run.

import { scaleLinear } from "d3-scale";
import { s } from "../dom";
import { interval, percent } from "../format";
import { ALL, type Report } from "../types";
import { asPercent, figure, frame, rowName, series, xAxis } from "./frame";

const ROW = 44;

export function ratesChart(report: Report, suite: string, width: number): HTMLElement | null {
  const [only] = report.runs;
  // Of one run all suites are shown at once; of several all runs on one suite.
  const all = report.runs.length === 1 && only && suite === ALL
    ? [...report.suites, ...(report.suites.length > 1 ? [ALL] : [])].map((name) => ({ name, run: only, index: 0, figures: only.suites[name] }))
    : report.runs.map((run, index) => ({ name: run.label, run, index, figures: run.suites[suite] }));
  const rows = all.filter((row) => row.figures && row.figures.rate.value !== null);
  if (!rows.length) return null;
  const area = frame(width, rows.length * ROW + 64, `Pass rates of ${suite}`, {
    left: Math.min(190, width * 0.36),
    right: 28,
  });
  const x = scaleLinear([0, 1], [area.left, area.right]);
  xAxis(area, x, x.ticks(5), asPercent, "pass rate");
  const baseline = rows.find((row) => row.run.baseline);
  if (baseline?.figures) {
    const at = x(baseline.figures.rate.value ?? 0);
    area.svg.append(s("line", { x1: at, x2: at, y1: area.top, y2: area.bottom, class: "reference" }));
  }
  rows.forEach(({ name, index, figures }, place) => {
    const { value, low, high } = figures!.rate;
    const y = area.top + (place + 0.5) * ROW;
    rowName(area, y, name, index);
    const room = x(high) < area.right - 52;
    const beside = { x: room ? x(high) + 9 : x(low) - 9, "text-anchor": room ? "start" : "end" };
    area.svg.append(
      s(
        "g",
        { class: series(index) },
        s("title", {}, `${name}: ${percent(value)} ${interval(low, high)}`),
        s("line", { x1: x(low), x2: x(high), y1: y, y2: y, class: "whisker" }),
        s("circle", { cx: x(value ?? 0), cy: y, r: 5, class: "dot" }),
        s("text", { ...beside, y: y + 4, class: "value" }, percent(value)),
      ),
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
