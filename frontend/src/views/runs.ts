// The runs' settings: where they differ as a table, and what is equal once.

import { h } from "../dom";
import { count, counted, moment, UNKNOWN, whole } from "../format";
import type { Json, Report, Run } from "../types";

// A longer value is unfolded on demand.
const LONG = 90;
const HASH = /^[0-9a-f]{40,64}$/;

export function runs(report: Report): HTMLElement {
  const several = report.runs.length > 1;
  return h(
    "div",
    { class: "page" },
    h("header", { class: "title" }, h("h1", {}, "Runs"), h("p", { class: "quiet" }, "All settings that could change an outcome.")),
    several && differences(report),
    several ? same(report) : only(report),
    ...report.runs.map(replicas),
  );
}

// The servers that a run was asked of, where they were several.
function replicas(run: Run): HTMLElement | false {
  if (!run.replicas.length) return false;
  const rows = run.replicas.map(({ url, completions, tokens_per_second, reason }) =>
    h("tr", {},
      h("th", { scope: "row" }, url),
      h("td", { class: "figure" }, whole(completions)),
      h("td", { class: "figure" }, tokens_per_second ? count(tokens_per_second) : UNKNOWN),
      h("td", { class: "quiet" }, reason)));
  const head = ["replica", "completions", "tokens/s", "not asked at the end"].map((name) => h("th", { scope: "col" }, name));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, `Replicas of ${run.label}`),
    h("p", { class: "quiet small" }, "In the run's last session; a rate is over the time in which a replica worked, with the tokens of completions that were lost."),
    h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Replicas of ${run.label}` },
      h("table", { class: "plain replicas" }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows))),
  );
}

function complete(run: Run): string {
  return run.texts ? (run.finished ? moment(run.finished) : "no") : "from a baseline file";
}

const FACTS: [string, (run: Run) => string][] = [
  ["run", (run) => run.id],
  ["begun", (run) => moment(run.created)],
  ["complete", complete],
];

function differences(report: Report): HTMLElement {
  const { differ, left_out } = report.settings;
  const rows = [
    ...FACTS.map(([name, of]) => ({ path: [name], values: report.runs.map((run): string | null => of(run)) })),
    ...differ,
  ];
  const head = h("tr", {}, h("th", { scope: "col" }, "setting"),
    ...report.runs.map((run) => h("th", { scope: "col" }, run.label, run.baseline && h("span", { class: "quiet" }, " baseline"))));
  const body = rows.map(({ path, values }) =>
    h("tr", {}, h("th", { scope: "row" }, ...setting(path)), ...values.map((value, index) => cell(value, index > 0 && value === values[0]))));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, `What differs`),
    h("p", { class: "quiet small" }, `${counted(differ.length + left_out, "setting")} of ${counted(report.runs.length, "run")}; values that are as in the first column are set back.`),
    h("div", { class: "scroll sheet", tabindex: 0, role: "group", "aria-label": "Settings that differ" }, h("table", { class: "differences" }, h("thead", {}, head), h("tbody", {}, ...body))),
    left_out > 0 && h("p", { class: "small quiet" }, `${whole(left_out)} more are left out of this report.`),
  );
}

// "suites, fresh-logic, options": the last name, below those that lead to it.
function setting(path: string[]): (Node | false)[] {
  const above = path.slice(0, -1);
  return [above.length > 0 && h("span", { class: "quiet small above" }, above.join(" \u203a ")), h("span", {}, path[path.length - 1] ?? "")];
}

function cell(value: string | null, asFirst: boolean): HTMLElement {
  const kind = asFirst ? "as-first" : null;
  if (value === null) return h("td", { class: kind }, h("span", { class: "quiet", title: "this run has no such setting" }, UNKNOWN));
  if (HASH.test(value)) return h("td", { class: kind, title: value }, `${value.slice(0, 10)}\u2026`);
  const letters = [...value];
  if (letters.length <= LONG) return h("td", { class: kind }, value === "" ? h("span", { class: "quiet" }, "empty") : value);
  return h("td", { class: kind }, h("details", {}, h("summary", {}, `${letters.slice(0, LONG - 15).join("")}\u2026`), value));
}

function same(report: Report): HTMLElement {
  const { same_count, same: equal } = report.settings;
  return h(
    "details",
    { class: "card" },
    h("summary", {}, h("h2", {}, "What is the same"), h("span", { class: "quiet" }, ` ${counted(same_count, "setting")} of ${report.runs.length === 2 ? "both" : `all ${report.runs.length}`} runs`)),
    h("div", { class: "manifest" }, tree(equal)),
  );
}

function only(report: Report): HTMLElement | false {
  const [run] = report.runs;
  if (!run) return false;
  return h(
    "section",
    { class: "card" },
    h("h2", {}, run.label),
    h("dl", { class: "facts" }, ...FACTS.map(([name, of]) => h("div", {}, h("dt", {}, name), h("dd", {}, of(run))))),
    h("div", { class: "manifest" }, tree(report.settings.same)),
  );
}

function tree(value: Json): HTMLElement {
  if (value === null || typeof value !== "object") {
    return h("span", { class: typeof value }, value === null ? "none" : String(value));
  }
  const entries = Array.isArray(value) ? value.map((part): [string, Json] => ["", part]) : Object.entries(value);
  if (!entries.length) return h("span", { class: "quiet" }, "none");
  if (Array.isArray(value)) return h("ul", {}, ...entries.map(([, part]) => h("li", {}, tree(part))));
  return h("dl", {}, ...entries.flatMap(([name, part]) => [h("dt", {}, name), h("dd", {}, tree(part))]));
}
