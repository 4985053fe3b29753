// The overview of one run: how it did, how its completions ended, how long they are, what is hard.

import { drawnLater } from "../charts/frame";
import { lengthsChart } from "../charts/lengths";
import { ratesChart } from "../charts/rates";
import { h } from "../dom";
import { addressOf, NO_FILTER, questionAddress } from "../filter";
import { bits, count, interval, moment, percent, size, UNKNOWN, whole } from "../format";
import { ALL, type Report, type Run, type SuiteFigures } from "../types";
import { outcomeBar, outcomeLegend } from "./outcomes";
import { resultCell } from "./questions";
import { untold } from "./ranking";

const HARDEST = 12;

export function single(report: Report): (HTMLElement | false)[] {
  const run = report.runs[0]!;
  const names = report.suites.length > 1 ? [ALL, ...report.suites] : report.suites;
  const suites = names.flatMap((name): [string, SuiteFigures][] => (run.suites[name] ? [[name, run.suites[name]]] : []));
  return [
    figures(report, run, suites),
    h("div", { class: "plots" },
      h("div", { class: "stack" }, drawnLater((width) => ratesChart(report, names[0] ?? ALL, width)), facts(run)),
      failures(report, run, suites),
      ...report.suites.map((suite) => drawnLater((width) => lengthsChart(report, suite, width))),
      hardest(report)),
  ];
}

function table(kind: string, label: string, head: (string | Node)[], rows: HTMLElement[]): HTMLElement {
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label },
    h("table", { class: kind }, h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...rows)));
}

function figures(report: Report, run: Run, suites: [string, SuiteFigures][]): HTMLElement {
  const known = (pick: (figures: SuiteFigures) => unknown) => suites.some(([, one]) => pick(one));
  const columns: [string, string, (one: SuiteFigures) => string | Node][] = [
    ["questions", "", (one) => { const each = one.samples / (one.questions || 1); return each === 1 ? whole(one.questions) : `${whole(one.questions)} \u00d7 ${Number(each.toPrecision(3))}`; }],
    ["pass rate", "", (one) => h("span", {}, h("strong", {}, percent(one.rate.value)), h("span", { class: "quiet" }, ` ${interval(one.rate.low, one.rate.high)}`))],
  ];
  if (known((one) => one.lenient && one.lenient.value !== one.rate.value)) columns.push(["lenient", "completions that ran out graded on what they said", (one) => percent(one.lenient?.value)]);
  columns.push(
    ["finished", "ended by themselves", (one) => whole(one.ends.finished)],
    ["truncated", "out of their budget", (one) => whole(one.ends.truncated)],
    ["looped", "in a provable loop", (one) => whole(one.ends.looped)],
  );
  if (known((one) => one.ends.unknown)) columns.push(["end unknown", "nothing says how the text ended", (one) => whole(one.ends.unknown)]);
  if (known((one) => one.errors)) columns.push(["errors", "of the engine; they count in no figure", (one) => whole(one.errors)]);
  columns.push(["tokens", "of one completion, on average", (one) => count(one.tokens, one.estimated)]);
  if (known((one) => one.reasoning_tokens)) columns.push(["of reasoning", "tokens before the answer, on average", (one) => count(one.reasoning_tokens, one.estimated)]);
  if (known((one) => one.compute?.per_correct)) columns.push(["per correct", "all tokens over all correct completions", (one) => count(one.compute?.per_correct)]);
  const rows = suites.map(([name, one]) =>
    h("tr", {}, h("th", { scope: "row" }, name), ...columns.map(([, , cell]) => h("td", {}, cell(one)))));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "By suite"),
    table("plain figures-by-suite", "Figures by suite", ["suite", ...columns.map(([name, title]) => h("span", { title }, name))], rows),
    run.several !== "" && h("p", { class: "small" }, run.several, h("span", { class: "quiet" }, `. ${report.several_means}`)),
    untold(report),
  );
}

function failures(report: Report, run: Run, suites: [string, SuiteFigures][]): HTMLElement {
  const classes = report.results.filter((name) => name !== "error" && suites.some(([, one]) => one.counts[name] !== undefined));
  const rows = classes.map((name) =>
    h("tr", {},
      h("th", { scope: "row" }, h("span", { class: `chip c-${name}` }, name)),
      ...suites.map(([suite, one]) => {
        const found = one.counts[name] ?? 0;
        const show = addressOf({ ...NO_FILTER, suite: suite === ALL ? "" : suite, result: name });
        return h("td", {}, found ? h("a", { href: show, title: "the questions that mostly ended so" }, whole(found)) : h("span", { class: "quiet" }, "0"), found > 0 && h("span", { class: "quiet" }, ` ${percent(found / (one.samples || 1))}`));
      })));
  return h(
    "figure",
    { class: "card plot" },
    h("figcaption", {}, h("h2", {}, "What became of the completions"), h("p", { class: "quiet" }, "Completions by failure class; a number leads to the questions.")),
    ...suites.map(([name, one]) => h("div", { class: "ending" }, h("span", { class: "small quiet" }, name), outcomeBar(report, one))),
    outcomeLegend(report),
    table("plain failures", "Failure classes", ["", ...suites.map(([name]) => name)], rows),
    run.texts ? false : h("p", { class: "small quiet" }, "A baseline's file: it has no texts."),
  );
}

// The questions with the smallest share of samples that passed, and of those the longest.
function hardest(report: Report): HTMLElement {
  const { id, suite, suites, brief, runs } = report.questions;
  const column = runs[0]!;
  const share = (row: number) => (column.passes[row] ?? 0) / (column.samples[row] || 1);
  const failed = id.map((_, row) => row).filter((row) => column.samples[row] && share(row) < 1);
  failed.sort((a, b) => share(a) - share(b) || (column.tokens[b] ?? 0) - (column.tokens[a] ?? 0) || a - b);
  const rows = failed.slice(0, HARDEST).map((row) =>
    h("tr", {},
      h("th", { scope: "row" }, h("a", { href: questionAddress(report, row) }, `${suites.length > 1 ? `${suites[suite[row] ?? 0]} ` : ""}${id[row]}`)),
      h("td", {}, ...resultCell(report, 0, row)),
      h("td", { class: "figure" }, count(column.tokens[row])),
      h("td", { class: "brief quiet" }, brief[row] ?? "")));
  return h(
    "section",
    { class: "card hardest" },
    h("h2", {}, "Hardest questions"),
    failed.length === 0
      ? h("p", {}, "No question failed.")
      : h("p", { class: "quiet small" }, "The smallest share of samples passed, and of those the longest first. ", h("a", { href: addressOf({ ...NO_FILTER, result: "failed" }) }, "All that failed")),
    failed.length > 0 && table("plain", "Hardest questions", ["question", "result", "tokens", "asked"], rows),
  );
}

function facts(run: Run): HTMLElement {
  const { bits_per_weight, sparsity, parameters, disk_gb, memory_gb } = run.costs;
  const known: [string, string][] = [
    ["run", run.id],
    ["begun", moment(run.created)],
    ["engine", run.engine],
    ["method", run.method],
    ["bits per weight", bits(bits_per_weight)],
    ["sparsity", sparsity ? percent(sparsity) : ""],
    ["parameters", parameters ? (parameters < 1 ? `${Number((1000 * parameters).toPrecision(3))}M` : `${Number(parameters.toPrecision(3))}B`) : ""],
    ["size", size(disk_gb)],
    ["memory", size(memory_gb)],
  ];
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "The run"),
    h("dl", { class: "facts" }, ...known.filter(([, value]) => value && value !== UNKNOWN).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("p", { class: "small" }, h("a", { href: "#/runs" }, "All its settings")),
  );
}
