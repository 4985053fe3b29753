// All charts of one suite, or of all suites pooled.

import { budgetChart } from "../charts/budget";
import { collapseChart } from "../charts/collapse";
import { flipsChart } from "../charts/flips";
import { chartWidth } from "../charts/frame";
import { frontChart } from "../charts/front";
import { lengthsChart } from "../charts/lengths";
import { ratesChart } from "../charts/rates";
import { h, select } from "../dom";
import { picking } from "../pick";
import { ALL, type Report } from "../types";

export function plots(report: Report, parameters: URLSearchParams, go: (address: string) => void): HTMLElement {
  const suites = report.suites.length > 1 ? [ALL, ...report.suites] : report.suites;
  const asked = parameters.get("suite") ?? "";
  const suite = suites.includes(asked) ? asked : (suites[0] ?? ALL);
  const width = chartWidth();
  // Suites differ in length for reasons of their own: their tokens are not pooled.
  const each = suite === ALL ? report.suites : [suite];
  const charts = [
    ratesChart(report, suite, width),
    frontChart(report, suite, width),
    ...each.map((one) => lengthsChart(report, one, width)),
    ...each.map((one) => budgetChart(report, one, width)),
    collapseChart(report, suite, width),
    flipsChart(report, suite),
  ];
  return picking(h(
    "div",
    { class: "page" },
    h(
      "header",
      { class: "title row" },
      h("h1", {}, "Plots"),
      suites.length > 1 &&
        select("Suite", suites.map((name) => [name, name]), suite, (chosen) => go(`#/plots?${new URLSearchParams({ suite: chosen })}`)),
    ),
    h("div", { class: "plots picks" }, ...charts.filter((chart) => chart !== null)),
  ));
}
