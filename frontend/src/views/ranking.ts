// The runs by suites: pass rates with their intervals, tokens, bits, size; to be sorted.

import { marker } from "../charts/frame";
import { h, s } from "../dom";
import { addressOf, NO_FILTER } from "../filter";
import { bits, count, counted, interval, percent, points, size, whole } from "../format";
import { byName } from "../names";
import { ALL, type Report, type Run, type SuiteFigures } from "../types";
import { gateBadge, verdictClass } from "./comparisons";
import { outcomeBar } from "./outcomes";

interface Column {
  sort: string;
  name: string;
  title: string;
  value: (run: Run, index: number) => number | string | null;
  cell: (run: Run, index: number) => HTMLElement;
}

const RANK = { ok: 0, undecided: 1, "cannot-tell": 2, regressed: 3 };

// Pass rate over all suites, or that of the only one.
function overall(report: Report): string {
  return report.suites.length > 1 ? ALL : (report.suites[0] ?? ALL);
}

function columns(report: Report, open: (run: number) => void): Column[] {
  const first = overall(report);
  const rates = (suite: string): Column => ({
    sort: `rate:${suite}`,
    name: suite,
    title: `by the pass rate of ${suite}`,
    value: (run) => run.suites[suite]?.rate.value ?? null,
    cell: (run, index) => rateCell(report, run, index, suite),
  });
  const found: Column[] = [
    {
      sort: "model",
      name: "model",
      title: "by name",
      value: (run) => run.label,
      cell: (run, index) =>
        h("th", { scope: "row" },
          h("button", { type: "button", class: "run-key", "data-run": index, "aria-pressed": "false", title: "pick it out in the plots" },
            s("svg", { viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" }, marker(index, 7, 7)),
            h("span", { class: "model" }, run.label)),
          ...about(run)),
    },
  ];
  const compared = new Map(report.comparisons.map((one) => [one.run, one]));
  if (report.comparisons.some((one) => one.figures.gate)) {
    found.push({
      sort: "gate",
      name: "gate",
      title: "by the gate's decision",
      value: (_, index) => RANK[compared.get(index)?.figures.gate?.outcome ?? "ok"] + (compared.has(index) ? 0 : -1),
      cell: (run, index) => {
        const one = compared.get(index);
        const badge = one ? gateBadge(one) : false;
        return h("td", {}, badge ? h("button", { type: "button", class: "badge-button", title: "what it rests on", click: () => open(index) }, badge) : h("span", { class: "quiet" }, run.baseline ? "baseline" : ""));
      },
    });
  }
  found.push(rates(first));
  found.push({
    sort: "tokens",
    name: "tokens",
    title: "by tokens of one completion, on average over all suites",
    value: (run) => run.suites[ALL]?.tokens ?? null,
    cell: (run) => h("td", { class: "figure" }, count(run.suites[ALL]?.tokens, run.suites[ALL]?.estimated)),
  });
  const costs: [string, string, string, (value: number | null | undefined) => string][] = [
    ["bits_per_weight", "bits", "by bits per weight", bits],
    ["sparsity", "sparsity", "by the share of weights that are zero", (value) => (value ? percent(value) : "0 %")],
    ["disk_gb", "size", "by the size of the weights", size],
  ];
  for (const [cost, name, title, shown] of costs) {
    if (!report.runs.some((run) => run.costs[cost])) continue;
    found.push({
      sort: cost,
      name,
      title,
      value: (run) => run.costs[cost] ?? null,
      cell: (run) => h("td", { class: "figure" }, run.costs[cost] === null ? "\u2013" : shown(run.costs[cost])),
    });
  }
  // The suites last: of these there may be many.
  return [...found, ...report.suites.filter((name) => name !== first).map(rates)];
}

// How runs stand in a column; those without a figure come last, whichever way it is sorted.
function order(report: Report, column: Column, down: boolean): number[] {
  const values = report.runs.map((run, index) => column.value(run, index));
  return values.map((_, index) => index).sort((a, b) => {
    const [left, right] = [values[a] ?? null, values[b] ?? null];
    if (left === null || right === null) return Number(left === null) - Number(right === null) || a - b;
    const found = typeof left === "string" ? byName(left, String(right)) : left - Number(right);
    return (down ? -found : found) || a - b;
  });
}

export function ranking(report: Report, parameters: URLSearchParams, open: (run: number) => void): HTMLElement {
  const shape = columns(report, open);
  let chosen = shape.find((column) => column.sort === parameters.get("sort"));
  let down = chosen ? parameters.get("down") === "1" : true;
  chosen ??= shape.find((column) => column.sort === `rate:${overall(report)}`) ?? shape[0]!;
  const rows = report.runs.map((run, index) => h("tr", { "data-run": index, class: run.baseline ? "baseline" : null }, ...shape.map((column) => column.cell(run, index))));
  const body = h("tbody");
  const heads = shape.map((column) => {
    const button = h("button", { type: "button", class: "sort", title: `sort ${column.title}`, click: () => {
      // Rates, tokens and sizes are looked at from the top, names from the beginning.
      down = column === chosen ? !down : !["model", "gate"].includes(column.sort);
      chosen = column;
      history.replaceState(null, "", `#/?${new URLSearchParams({ sort: column.sort, ...(down ? { down: "1" } : {}) })}`);
      sorted();
    } });
    return { column, button, head: h("th", { scope: "col", class: /^(tokens|bits|sparsity|disk)/.test(column.sort) ? "figure" : null }, button) };
  });
  const sorted = () => {
    for (const { column, button, head } of heads) {
      const here = column === chosen;
      head.setAttribute("aria-sort", here ? (down ? "descending" : "ascending") : "none");
      button.textContent = column.name + (here ? (down ? " \u2193" : " \u2191") : "");
    }
    body.replaceChildren(...order(report, chosen!, down).map((index) => rows[index]!));
  };
  sorted();
  return h(
    "div",
    { class: "scroll ranking-box picks", tabindex: 0, role: "group", "aria-label": "Runs by suites" },
    h("table", { class: "ranking" }, h("thead", {}, h("tr", {}, ...heads.map(({ head }) => head))), body),
  );
}

// What "end unknown" means; false where every text says how it ended.
export function untold(report: Report): HTMLElement | false {
  if (!report.runs.some((run) => run.suites[ALL]?.unknown_ends)) return false;
  return h("p", { class: "small quiet" }, "End unknown: nothing says how the text ended; its reasoning must have been closed. Beside it the pass rate if none of those had ended.");
}

function endsUnknown(figures: SuiteFigures): string {
  return `${whole(figures.unknown_ends)} end unknown, ${percent(figures.known.value)} if none had ended`;
}

function about(run: Run): HTMLElement[] {
  const facts: string[] = [];
  if (run.baseline) facts.push("baseline");
  if (run.method && run.method !== "none") facts.push(run.method);
  return facts.length ? [h("span", { class: "facts quiet" }, facts.join(" \u00b7 "))] : [];
}

/** How much of what began with drafts had to be generated. */
function drafted(drafts: { tokens: number; drafted: number }): string {
  return `${count(drafts.tokens - drafts.drafted)} of ${count(drafts.tokens)} generated, the rest of drafts`;
}

function rateCell(report: Report, run: Run, index: number, suite: string): HTMLElement {
  const figures = run.suites[suite];
  if (!figures) return h("td", { class: "quiet" }, "not asked");
  const compared = report.comparisons.find((one) => one.run === index);
  const part = suite === ALL ? compared?.figures.total : compared?.figures.suites.find((one) => one.suite === suite);
  const each = figures.samples / (figures.questions || 1);
  const asked = each === 1 ? `n ${whole(figures.questions)}` : `n ${whole(figures.questions)}\u00d7${Number(each.toPrecision(3))}`;
  const show = addressOf({ ...NO_FILTER, suite: suite === ALL ? "" : suite, run: run.id, result: "failed" });
  return h(
    "td",
    {},
    h(
      "div",
      { class: "rate" },
      h("a", { href: show, title: "the questions that failed" }, percent(figures.rate.value)),
      h("span", { class: "quiet" }, interval(figures.rate.low, figures.rate.high)),
    ),
    outcomeBar(report, figures),
    // Of all suites the tokens have a column.
    h(
      "div",
      { class: "under small" },
      h("span", { class: "quiet" }, `${suite === overall(report) ? "" : `${count(figures.tokens, figures.estimated)} tokens \u00b7 `}${asked}${figures.errors ? ` \u00b7 ${counted(figures.errors, "error")}` : ""}`),
      part && !compared?.figures.early_stop && h("span", { class: `delta ${verdictClass(part.failed)}`, title: "change against the baseline, in points" }, points(-part.failed.worsening)),
    ),
    figures.drafts !== null && h("div", { class: "small quiet drafts" }, drafted(figures.drafts)),
    figures.unknown_ends > 0 && h("div", { class: "small untold" }, endsUnknown(figures)),
  );
}

