// How a model collapses as it is compressed further: pass rate and ways to fail, over a sweep.

import { scaleLinear, scaleLog } from "d3-scale";
import { area as areaShape, line } from "d3-shape";
import { s } from "../dom";
import { interval, percent } from "../format";
import type { Report, SuiteFigures } from "../types";
import { asPercent, figure, frame, legend, percentTicks, xAxis, yAxis } from "./frame";

const FEWEST = 3;
const AXES = ["sparsity", "bits_per_weight"] as const;

interface Step {
  label: string;
  at: number;
  figures: SuiteFigures;
}

// The axis along which most runs differ, and the runs along it, the least compressed first.
function sweep(report: Report, suite: string): { axis: (typeof AXES)[number]; steps: Step[] } | null {
  const found = AXES.map((axis) => {
    const steps = report.runs.flatMap((run) => {
      const at = run.costs[axis];
      const figures = run.suites[suite];
      return at !== null && at !== undefined && figures && figures.rate.value !== null ? [{ label: run.label, at, figures }] : [];
    });
    const distinct = new Map(steps.map((step) => [step.at, step]));
    return { axis, steps: [...distinct.values()], twice: distinct.size < steps.length };
  });
  // Several runs at one degree of compression are different methods, and no sweep.
  const usable = found.filter(({ steps, twice }) => steps.length >= FEWEST && !twice);
  const best = usable.sort((a, b) => b.steps.length - a.steps.length)[0];
  if (!best) return null;
  best.steps.sort((a, b) => (best.axis === "sparsity" ? a.at - b.at : b.at - a.at));
  return best;
}

export function collapseChart(report: Report, suite: string, width: number): HTMLElement | null {
  const found = sweep(report, suite);
  if (!found) return null;
  const { axis, steps } = found;
  const area = frame(width, 320, `Pass rate and failures over the sweep, ${suite}`);
  const first = steps[0]!;
  const last = steps[steps.length - 1]!;
  // From 3 bits to 2 is as far as from 12 to 8.
  const scale = axis === "sparsity" ? scaleLinear : scaleLog;
  const x = scale([first.at, last.at], [area.left + 8, area.right - 8]);
  const y = scaleLinear([0, 1], [area.bottom, area.top]);
  const classes = report.results.filter((name) => name !== "error");
  const share = (step: Step, upTo: number) =>
    classes.slice(0, upTo).reduce((sum, name) => sum + (step.figures.counts[name] ?? 0), 0) / (step.figures.samples || 1);
  classes.forEach((name, place) => {
    const shape = areaShape<Step>((step) => x(step.at), (step) => y(share(step, place)), (step) => y(share(step, place + 1)));
    area.svg.append(s("path", { d: shape(steps), class: `layer c-${name}` }, s("title", {}, name)));
  });
  yAxis(area, y, percentTicks(y), asPercent);
  const sparse = axis === "sparsity";
  xAxis(area, x, steps.map((step) => step.at), (value) => (sparse ? asPercent(value) : String(Number(value.toPrecision(3)))), sparse ? "sparsity" : "bits per weight");
  area.svg.append(s("path", { d: line<Step>((step) => x(step.at), (step) => y(step.figures.rate.value ?? 0))(steps), class: "curve ink" }));
  for (const step of steps) {
    const { value, low, high } = step.figures.rate;
    area.svg.append(
      s(
        "g",
        { class: "ink" },
        s("title", {}, `${step.label}: ${percent(value)} ${interval(low, high)}`),
        s("line", { x1: x(step.at), x2: x(step.at), y1: y(low), y2: y(high), class: "whisker" }),
        s("circle", { cx: x(step.at), cy: y(value ?? 0), r: 4.5, class: "dot" }),
      ),
    );
  }
  return figure(
    "Collapse",
    "The line is the pass rate with its interval; the areas are what became of all completions.",
    ["run", sparse ? "sparsity" : "bits per weight", "pass rate", "interval", ...classes],
    steps.map((step) => [
      step.label,
      sparse ? asPercent(step.at) : String(step.at),
      percent(step.figures.rate.value),
      interval(step.figures.rate.low, step.figures.rate.high),
      ...classes.map((_, place) => percent(share(step, place + 1) - share(step, place))),
    ]),
    area.svg,
    legend(classes.map((name) => [`c-${name}`, name])),
  );
}
