// What one wants to know first: of several runs how they rank and what was decided, of one all of it.

import { frontChart } from "../charts/front";
import { drawnLater } from "../charts/frame";
import { ratesChart } from "../charts/rates";
import { h } from "../dom";
import { counted, moment, percent } from "../format";
import { picking } from "../pick";
import { ALL, type Comparison, type Report } from "../types";
import { comparisons } from "./comparisons";
import { outcomeLegend } from "./outcomes";
import { ranking, untold } from "./ranking";
import { single } from "./single";

const NAMES = 3;
const NOTES = 6;

export function overview(report: Report, parameters: URLSearchParams): HTMLElement {
  const { elements, open, few } = comparisons(report);
  const alone = report.runs.length === 1;
  return picking(h(
    "div",
    { class: "page" },
    h("header", { class: "title" }, h("h1", {}, headline(report)), h("p", { class: "quiet" }, subtitle(report))),
    ...troubles(report),
    ...(alone ? single(report) : [
      h("section", { class: "card" }, h("h2", {}, "Pass rates, tokens and failures"), ranking(report, parameters, open), outcomeLegend(report), untold(report), several(report)),
    ]),
    ...(alone || few ? elements : []),
    !alone && charts(report),
    ...(alone || few ? [] : elements),
  ));
}

function charts(report: Report): HTMLElement {
  const suite = report.suites.length > 1 ? ALL : (report.suites[0] ?? ALL);
  return h("div", { class: "plots picks" },
    drawnLater((width) => frontChart(report, suite, width)),
    drawnLater((width) => ratesChart(report, suite, width)));
}

// pass@k and maj@k, where a question has several samples.
function several(report: Report): HTMLElement | false {
  const runs = report.runs.filter((run) => run.several);
  if (!runs.length) return false;
  return h("details", { class: "more" }, h("summary", {}, "pass@k and maj@k"), h("p", { class: "small quiet" }, report.several_means), h("ul", { class: "small" }, ...runs.map((run) => h("li", {}, `${run.label}: ${run.several}`))));
}

function headline(report: Report): string {
  const decided = report.comparisons.filter((one) => one.figures.gate);
  const regressed = decided.filter((one) => one.figures.gate?.outcome === "regressed");
  const names = (list: Comparison[]) =>
    list.length > NAMES ? `${list.length} of ${counted(decided.length, "run")}` : list.map((one) => report.runs[one.run]?.label ?? "").join(", ");
  const baseline = report.comparisons[0]?.baseline_label ?? "";
  if (decided.length && regressed.length) {
    return `${names(regressed)} regressed against ${baseline}`;
  }
  const undecided = decided.filter((one) => one.figures.gate?.outcome === "undecided");
  const blind = decided.filter((one) => one.figures.gate?.outcome === "cannot-tell");
  if (blind.length) return `A drop could not have been seen for ${names(blind)}`;
  if (undecided.length) return `Not decided for ${names(undecided)}`;
  const warned = decided.filter((one) => one.words?.warnings.length);
  if (warned.length) return `${names(decided)}: ok against ${baseline}, with warnings`;
  if (decided.length) return `${names(decided)}: ok against ${baseline}`;
  const [only] = report.runs;
  if (report.runs.length === 1 && only) {
    const total = only.suites[ALL];
    return `${only.label} passes ${percent(total?.rate.value)} of ${counted(total?.questions ?? 0, "question")}`;
  }
  return `${counted(report.runs.length, "run")} of ${counted(report.suites.length, "suite")}`;
}

function subtitle(report: Report): string {
  const parts = [
    counted(report.questions.id.length, "question"),
    `written ${moment(report.created)}`,
    `lrmtest ${report.lrmtest}`,
    `intervals at ${100 * report.level} %`,
  ];
  return parts.join(" \u00b7 ");
}

// What a reader must know before believing a figure; what holds for several runs is said once.
function troubles(report: Report): HTMLElement[] {
  const told = new Map<string, string[]>();
  const tell = (label: string, note: string) => told.set(note, [...(told.get(note) ?? []), label]);
  for (const run of report.runs) {
    for (const lacking of run.lacking) tell(run.label, lacking);
    const errors = run.suites[ALL]?.errors ?? 0;
    if (errors && !run.lacking.some((each) => each.includes("engine error"))) {
      tell(run.label, `${counted(errors, "sample")} ended in an engine error and count in no figure`);
    }
  }
  for (const one of report.comparisons) {
    const label = report.runs[one.run]?.label ?? "";
    for (const note of one.notes) tell(label, note);
    for (const side of ["candidate", "baseline"] as const) {
      const gaps = one.figures.missing.filter((gap) => gap.side === side);
      if (!gaps.length) continue;
      const first = gaps.slice(0, 3).map((gap) => `${gap.suite} ${gap.question}`).join(", ");
      tell(side === "candidate" ? label : one.baseline_label, `${counted(gaps.length, "question")} without a verdict: ${first}${gaps.length > 3 ? ", \u2026" : ""}`);
    }
  }
  const lines = [...told].map(([note, labels]) => {
    const whose = [...new Set(labels)];
    if (whose.length > NAMES) return h("li", {}, h("span", { title: whose.join(", ") }, `${whose.length} runs`), `: ${note}`);
    return h("li", {}, `${whose.join(", ")}: ${note}`);
  });
  if (!lines.length) return [];
  const more = lines.slice(NOTES);
  return [
    h("div", { class: "troubles", role: "note" },
      h("ul", {}, ...lines.slice(0, NOTES)),
      more.length > 0 && h("details", {}, h("summary", {}, `and ${more.length} more`), h("ul", {}, ...more))),
  ];
}
