// Every setting of every run: its manifest.

import { h } from "../dom";
import { moment } from "../format";
import type { Json, Report } from "../types";

export function runs(report: Report): HTMLElement {
  return h(
    "div",
    { class: "page" },
    h("header", { class: "title" }, h("h1", {}, "Runs"), h("p", { class: "quiet" }, "All settings that could change an outcome.")),
    ...report.runs.map((run, index) =>
      h(
        "details",
        { class: "card", open: index === 0 },
        h("summary", {}, h("h2", {}, run.label, h("span", { class: "quiet" }, run.baseline ? " baseline" : ""))),
        h("dl", { class: "facts" },
          h("div", {}, h("dt", {}, "run"), h("dd", {}, run.id)),
          h("div", {}, h("dt", {}, "begun"), h("dd", {}, moment(run.created))),
          h("div", {}, h("dt", {}, "complete"), h("dd", {}, run.texts ? (run.finished ? moment(run.finished) : "no") : "from a baseline file"))),
        h("div", { class: "manifest" }, tree(run.manifest)),
      ),
    ),
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
