// What a smaller token budget would have left of the pass rate.

import { scaleLinear, scaleLog } from "d3-scale";
import { area as areaShape, line } from "d3-shape";
import { s } from "../dom";
import { count, interval, percent } from "../format";
import type { BudgetPoint, Report } from "../types";
import { asPercent, figure, frame, logTicks, MANY, marker, percentTicks, runLegend, series, xAxis, yAxis } from "./frame";

export function budgetChart(report: Report, suite: string, width: number): HTMLElement | null {
  const rows = report.runs
    .map((run, index) => ({ run, index, budgets: run.suites[suite]?.compute?.budgets ?? [] }))
    .filter((row) => row.budgets.length > 1);
  if (!rows.length) return null;
  const all = rows.flatMap((row) => row.budgets);
  const low = Math.min(...all.map((point) => point.budget));
  const high = Math.max(...all.map((point) => point.budget));
  const highest = Math.min(1, Math.max(...all.map((point) => point.rate.high)) * 1.05);
  const area = frame(width, 320, `Pass rate against token budget, ${suite}`);
  const x = scaleLog([low, high], [area.left, area.right]);
  const y = scaleLinear([0, highest], [area.bottom, area.top]);
  yAxis(area, y, percentTicks(y), asPercent);
  xAxis(area, x, logTicks(low, high), (value) => count(value), "token budget of one completion");
  const band = areaShape<BudgetPoint>((point) => x(point.budget), (point) => y(point.rate.low), (point) => y(Math.min(highest, point.rate.high)));
  const curve = line<BudgetPoint>((point) => x(point.budget), (point) => y(point.rate.value ?? 0));
  // The intervals of many runs cover each other: then only that of the one picked out is drawn.
  const many = rows.length > MANY;
  for (const { index, budgets } of rows) {
    area.svg.append(s("path", { d: band(budgets), class: `band ${series(index)}${many ? " alone" : ""}`, "data-run": index }));
  }
  for (const { run, index, budgets } of rows) {
    const line = s("g", { class: series(index), "data-run": index }, s("path", { d: curve(budgets), class: `curve ${series(index)}` }));
    for (const point of budgets) {
      const mark = marker(index, x(point.budget), y(point.rate.value ?? 0), "fill", 46);
      mark.append(s("title", {}, `${run.label}, ${count(point.budget)} tokens: ${percent(point.rate.value)} ${interval(point.rate.low, point.rate.high)}, ${percent(point.cut)} cut off`));
      line.append(mark);
    }
    area.svg.append(line);
  }
  return figure(
    report.suites.length > 1 ? `Pass rate against token budget: ${suite}` : "Pass rate against token budget",
    "If every completion longer than the budget had failed. Above a run's own budget nothing is known.",
    ["run", "budget", "pass rate", "interval", "cut off"],
    rows.flatMap(({ run, budgets }) =>
      budgets.map((point) => [run.label, count(point.budget), percent(point.rate.value), interval(point.rate.low, point.rate.high), percent(point.cut)]),
    ),
    area.svg,
    runLegend(report, rows.map(({ index }) => index)),
  );
}
