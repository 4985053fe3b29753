// What became of every question since the baseline: a tile each, the broken ones first.

import { h } from "../dom";
import { addressOf, NO_FILTER, questionAddress } from "../filter";
import { whole } from "../format";
import { ALL, type Report } from "../types";
import { figure, legend } from "./frame";

const ORDER = ["broken", "worse", "unstable", "better", "fixed", "unchanged"];
const MOST = 2000;
const MOST_IN_ALL = 6000;

export const flipClass = (kind: string) => `f-${kind}`;

export function flipsChart(report: Report, suite: string): HTMLElement | null {
  if (!report.comparisons.length) return null;
  const table = report.questions;
  const wanted = suite === ALL ? -1 : table.suites.indexOf(suite);
  const rows: string[][] = [];
  const most = Math.min(MOST, Math.ceil(MOST_IN_ALL / report.comparisons.length));
  const parts = report.comparisons.map(({ run, change_counts, directions }) => {
    const counts = change_counts[suite] ?? {};
    const label = report.runs[run]?.label ?? "";
    rows.push([label, ...ORDER.map((kind) => whole(counts[kind] ?? 0))]);
    const tiles = h("div", { class: "tiles" });
    let shown = 0;
    for (const kind of ORDER) {
      const number = report.change_kinds.indexOf(kind);
      table.id.forEach((id, row) => {
        if (table.changes[run]?.kind[row] !== number || (wanted >= 0 && table.suite[row] !== wanted)) return;
        if (++shown > most) return;
        const title = `${table.suites[table.suite[row] ?? 0]} ${id}: ${kind}, ${table.changes[run]?.said[row] ?? ""}`;
        // Reached by keyboard through the lists that the counts lead to, not one by one.
        tiles.append(h("a", { class: `tile ${flipClass(kind)}`, href: questionAddress(report, row), title, tabindex: -1, "aria-hidden": "true" }));
      });
    }
    if (shown > most) tiles.append(h("span", { class: "quiet" }, `and ${whole(shown - most)} more`));
    return h(
      "div",
      { class: "flips", "data-run": run },
      h("h3", {}, label),
      suite === ALL && h("p", { class: "small quiet" }, directions),
      h(
        "p",
        { class: "flip-counts" },
        ...ORDER.map((kind) =>
          h(
            "a",
            { href: addressOf({ ...NO_FILTER, suite: wanted < 0 ? "" : suite, run: report.runs[run]?.id ?? "", flip: kind }) },
            h("span", { class: `swatch ${flipClass(kind)}`, "aria-hidden": "true" }),
            `${whole(counts[kind] ?? 0)} ${kind}`,
          ),
        ),
      ),
      tiles,
    );
  });
  const drawn = figure(
    "Question by question",
    "Every tile is a question in both runs; it leads to its traces.",
    ["run", ...ORDER],
    rows,
    h("div", { class: "flip-runs" }, ...parts),
    legend(ORDER.map((kind) => [flipClass(kind), kind])),
  );
  if (parts.length > 2) drawn.classList.add("whole-row");
  return drawn;
}
