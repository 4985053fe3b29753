// Divergence against damage: of every question how far the models are apart, and what it lost.

import { scaleLinear, scaleLog } from "d3-scale";
import { s } from "../dom";
import { signed } from "../format";
import type { Report, RunReading } from "../types";
import { figure, frame, series, xAxis, yAxis } from "./frame";

const LEAST = 1e-4;

export function foretoldChart(report: Report, reading: RunReading, width: number): HTMLElement | null {
  const table = report.questions;
  const { variation, loss } = reading.by_question;
  const points = table.id.flatMap((id, row) => {
    const high = variation[row]?.[1];
    const lost = loss[row];
    if (high === undefined || high === null || lost === null || lost === undefined) return [];
    return [{ name: `${table.suites[table.suite[row] ?? 0]} ${id}`, suite: table.suite[row] ?? 0, x: high, y: -lost }];
  });
  if (!points.length) return null;
  const largest = Math.max(2 * LEAST, ...points.map((point) => point.x));
  const smallest = Math.max(LEAST, Math.min(largest / 10, ...points.map((point) => point.x)));
  const area = frame(width, 300, `Change of pass rate against S, ${reading.reader}`, { top: 12, right: 20 });
  const x = scaleLog([smallest / 1.5, largest * 1.5], [area.left + 8, area.right]);
  const y = scaleLinear([-1.08, 1.08], [area.bottom, area.top]);
  yAxis(area, y, [-1, -0.5, 0, 0.5, 1], (value) => signed(100 * value, 0));
  const powers = [-4, -3, -2, -1, 0, 1, 2, 3, 4].map((power) => 10 ** power);
  const ticks = powers.filter((tick) => tick >= smallest / 1.5 && tick <= largest * 1.5);
  xAxis(area, x, ticks, (value) => `${value <= LEAST ? "\u2264 " : ""}${Number(value.toPrecision(2))}`, "S of the question's traces (log scale)");
  for (const point of [...points].sort((a, b) => b.y - a.y)) {
    area.svg.append(
      s("g", { class: series(point.suite) },
        s("circle", { cx: x(Math.max(smallest, point.x)), cy: y(point.y), r: 4.5, class: "dot faint" },
          s("title", {}, `${point.name}: S ${Number(point.x.toPrecision(3))}, ${signed(100 * point.y, 0)} points`))),
    );
  }
  const shown = [...points].sort((a, b) => b.x - a.x).slice(0, 200);
  return figure(
    "Divergence against damage",
    `Each dot is a question: how far ${reading.reader} is from the model that wrote its traces, and how its pass rate changed, in points.${table.suites.length > 1 ? " Colours are suites." : ""}`,
    ["question", "S", "points"],
    shown.map((point) => [point.name, `${Number(point.x.toPrecision(3))}`, signed(100 * point.y, 0)]),
    area.svg,
  );
}
