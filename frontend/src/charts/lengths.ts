// Tokens of correct and of incorrect completions.

import { scaleLog } from "d3-scale";
import { s } from "../dom";
import { count, whole } from "../format";
import type { Report, Spread } from "../types";
import { histogramChart } from "./histogram";
import { figure, frame, legend, logTicks, rowNames, xAxis } from "./frame";

const ROW = 46;

export function lengthsChart(report: Report, suite: string, width: number): HTMLElement | null {
  const [only] = report.runs;
  if (report.runs.length === 1 && only?.suites[suite]?.bins) return histogramChart(report, suite, width);
  const rows = report.runs
    .map((run, index) => ({ run, index, spread: run.suites[suite]?.lengths }))
    .filter((row) => row.spread);
  const spreads = rows.flatMap((row) => [row.spread!.correct, row.spread!.incorrect]).filter((one) => one !== null);
  if (!spreads.length) return null;
  const low = Math.max(1, Math.min(...spreads.map((one) => one.p5)) * 0.8);
  const high = Math.max(low * 2, ...spreads.map((one) => one.p95 * 1.2));
  const area = frame(width, rows.length * ROW + 64, `Tokens of correct and incorrect completions, ${suite}`, {
    left: Math.min(190, width * 0.36),
  });
  const x = scaleLog([low, high], [area.left, area.right]);
  xAxis(area, x, logTicks(low, high), (value) => count(value), "tokens per completion");
  const at = (place: number) => area.top + (place + 0.5) * ROW;
  const groups = rowNames(area, rows.map(({ run, index }) => ({ name: run.label, index })), ROW, at);
  rows.forEach(({ run, spread }, place) => {
    const y = at(place);
    const box = (one: Spread | null, at: number, kind: string, name: string) => {
      if (!one) return;
      const from = x(Math.max(low, one.q1));
      groups[place]?.append(
        s(
          "g",
          { class: kind },
          s("title", {}, `${run.label}, ${name}: median ${count(one.median)}, middle half ${count(one.q1)} to ${count(one.q3)}, ${whole(one.count)} completions`),
          s("line", { x1: x(Math.max(low, one.p5)), x2: x(Math.max(low, one.p95)), y1: at, y2: at, class: "whisker thin" }),
          s("rect", { x: from, y: at - 6, width: Math.max(2, x(Math.max(low, one.q3)) - from), height: 12, rx: 2, class: "box" }),
          s("line", { x1: x(Math.max(low, one.median)), x2: x(Math.max(low, one.median)), y1: at - 8, y2: at + 8, class: "median" }),
        ),
      );
    };
    box(spread!.correct, y - 9, "c-correct", "correct");
    box(spread!.incorrect, y + 9, "c-wrong", "incorrect");
  });
  const cells = (one: Spread | null) =>
    one ? [whole(one.count), count(one.median), `${count(one.q1)} to ${count(one.q3)}`] : ["0", "", ""];
  return figure(
    report.suites.length > 1 ? `Tokens, correct and incorrect: ${suite}` : "Tokens, correct and incorrect",
    "Boxes hold the middle half, lines nine tenths; the bar is the median.",
    ["run", "correct", "median", "middle half", "incorrect", "median", "middle half"],
    rows.map(({ run, spread }) => [run.label, ...cells(spread!.correct), ...cells(spread!.incorrect)]),
    area.svg,
    legend([["c-correct", "correct"], ["c-wrong", "incorrect"]]),
  );
}
