// Pass rate against what it costs, with the Pareto front.

import { scaleLinear, scaleLog } from "d3-scale";
import { h, s, select } from "../dom";
import { COSTS, count, interval, percent } from "../format";
import type { Report } from "../types";
import { asPercent, figure, frame, MANY, marker, percentTicks, runLegend, series, xAxis, yAxis } from "./frame";
import { placeLabels, widthOf } from "./labels";
import { shortNames } from "../names";

const NARROW = 480;

interface Point {
  index: number;
  label: string;
  cost: number;
  value: number;
  low: number;
  high: number;
}

function pointsOf(report: Report, suite: string, cost: string): Point[] {
  return report.runs.flatMap((run, index) => {
    const figures = run.suites[suite];
    const price = cost === "tokens" ? figures?.tokens : run.costs[cost];
    if (!figures || figures.rate.value === null || price === null || price === undefined) return [];
    const { value, low, high } = figures.rate;
    return [{ index, label: run.label, cost: price, value, low, high }];
  });
}

// Costs that at least two runs differ in.
function usableCosts(report: Report, suite: string): string[] {
  return Object.keys(COSTS).filter((cost) => new Set(pointsOf(report, suite, cost).map((point) => point.cost)).size > 1);
}

export function frontChart(report: Report, suite: string, width: number): HTMLElement | null {
  const costs = usableCosts(report, suite);
  const [first] = costs;
  if (!first) return null;
  const holder = h("div", {});
  const draw = (cost: string) => {
    const chart = drawn(report, suite, cost, width);
    if (costs.length > 1) {
      chart.querySelector("figcaption")?.append(
        select("Cost", costs.map((name) => [name, COSTS[name]!.name]), cost, draw),
      );
    }
    holder.replaceChildren(chart);
  };
  const preferred = ["bits_per_weight", "sparsity"].find((cost) => costs.includes(cost));
  draw(preferred ?? first);
  return holder;
}

function drawn(report: Report, suite: string, cost: string, width: number): HTMLElement {
  const { name, unit, more } = COSTS[cost]!;
  const points = pointsOf(report, suite, cost);
  const front = report.fronts[suite]?.[cost] ?? [];
  const lowest = Math.min(...points.map((point) => point.cost));
  const highest = Math.max(...points.map((point) => point.cost));
  const area = frame(width, points.length > MANY ? 420 : 340, `Pass rate against ${name.toLowerCase()}, ${suite}`, { top: 22, right: 24 });
  const wide = lowest > 0 && highest / lowest > 20;
  const margin = (highest - lowest) * 0.12;
  const x = wide
    ? scaleLog([lowest / 1.4, highest * 1.6], [area.left, area.right])
    : scaleLinear([more ? lowest - margin : Math.max(0, lowest - margin), highest + margin], [area.left, area.right]);
  const y = scaleLinear([0, 1], [area.bottom, area.top]);
  yAxis(area, y, percentTicks(y), asPercent);
  const format = (value: number) => (cost === "tokens" ? count(value) : cost === "sparsity" ? asPercent(value) : `${Number(value.toPrecision(3))}`);
  xAxis(area, x, wide ? x.ticks(4) : x.ticks(6).filter((tick) => tick >= 0), format, unit === "tokens" ? "tokens per completion" : unit ? `${name.toLowerCase()}, ${unit}` : name.toLowerCase());
  const steps = front
    .map((index) => points.find((point) => point.index === index))
    .filter((point) => point !== undefined)
    .map((point, place) => (place === 0 ? `M${x(point.cost)},${y(point.value)}` : `H${x(point.cost)}V${y(point.value)}`));
  if (steps.length > 1) area.svg.append(s("path", { d: steps.join(""), class: "front" }));
  const shown = [...points].sort((a, b) => b.value - a.value || a.index - b.index);
  const names = shortNames(shown.map((point) => point.label), width < NARROW ? 18 : 26);
  const places = placeLabels(
    shown.map((point, place) => ({ x: x(point.cost), y: y(point.value), width: widthOf(names[place] ?? "") })),
    { left: area.left, right: area.right + 20, top: 0, bottom: area.bottom - 2 },
  );
  shown.forEach((point, place) => {
    const cx = x(point.cost);
    const cy = y(point.value);
    const at = places[place];
    area.svg.append(
      s(
        "g",
        { class: series(point.index), "data-run": point.index },
        s("title", {}, `${point.label}: ${percent(point.value)} ${interval(point.low, point.high)} at ${format(point.cost)} ${unit}`.trim()),
        s("line", { x1: cx, x2: cx, y1: y(point.low), y2: y(point.high), class: "whisker thin" }),
        at?.leader && s("line", { x1: cx, y1: cy, x2: at.x, y2: at.y - 4, class: "leader" }),
        marker(point.index, cx, cy, front.includes(point.index) ? "dot" : "dot hollow", 110),
        at && s("text", { x: at.x, y: at.y, "text-anchor": at.anchor, class: "point-name" }, names[place] ?? ""),
      ),
    );
  });
  return figure(
    `Pass rate against ${name.toLowerCase()}`,
    `Filled: on the Pareto front, no other run is both ${more ? "sparser" : "cheaper"} and better. Points are as observed; intervals that overlap may change places.`,
    ["run", name.toLowerCase(), "pass rate", "interval", "on the front"],
    points.map((point) => [point.label, format(point.cost), percent(point.value), interval(point.low, point.high), front.includes(point.index) ? "yes" : "no"]),
    area.svg,
    points.length > MANY || places.includes(null) ? runLegend(report, points.map((point) => point.index)) : "",
  );
}
