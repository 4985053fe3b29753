// The table of questions: only the rows in sight are in the page, however many there are.

import { h, select } from "../dom";
import { addressOf, type Filter, NO_FILTER, questionAddress, visibleRows } from "../filter";
import { flipClass } from "../charts/flips";
import { count, counted, signed, whole } from "../format";
import { searchAddress } from "../search";
import type { Report } from "../types";
import { outcomeLegend } from "./outcomes";
import { variationOf } from "./shaded";

const ROW = 36;
const MARGIN = 12;
const FULL = 3;

export interface QuestionsView {
  element: HTMLElement;
  key: (event: KeyboardEvent) => boolean;
  shown: () => void;
}

interface Column {
  sort: string;
  name: string;
  kind: string;
  cell: (row: number) => (Node | string | false)[];
}

export function resultCell(report: Report, run: number, row: number): (Node | string | false)[] {
  const column = report.questions.runs[run];
  const result = column?.result[row];
  if (!column || result === null || result === undefined) return [h("span", { class: "quiet" }, "\u2013")];
  const name = report.results[result] ?? "";
  const samples = column.samples[row] ?? 0;
  return [
    h("span", { class: `chip c-${name}` }, name),
    samples > 1 && h("span", { class: "passes" }, `${column.passes[row]}/${samples}`),
  ];
}

// The same without its name, and with what became of it only where that is news.
function shortCell(report: Report, run: number, row: number): (Node | string | false)[] {
  const column = report.questions.runs[run];
  const result = column?.result[row];
  if (!column || result === null || result === undefined) return [h("span", { class: "quiet" }, "\u2013")];
  const name = report.results[result] ?? "";
  const samples = column.samples[row] ?? 0;
  const changes = report.questions.changes[run];
  const kind = report.change_kinds[changes?.kind[row] ?? -1] ?? "";
  return [
    h("span", { class: `chip c-${name}`, title: name }, samples > 1 && h("span", { class: "unseen" }, `${name} `), samples > 1 ? `${column.passes[row]}/${samples}` : name),
    kind !== "" && kind !== "unchanged" && h("span", { class: `flip ${flipClass(kind)}`, title: changes?.said[row] ?? "" }, ` ${kind}`),
  ];
}

function columns(report: Report, filter: Filter): Column[] {
  const table = report.questions;
  const several = table.suites.length > 1;
  const found: Column[] = [];
  if (several) found.push({ sort: "", name: "suite", kind: "suite", cell: (row) => [table.suites[table.suite[row] ?? 0] ?? ""] });
  found.push(
    { sort: "", name: "question", kind: "id", cell: (row) => [h("a", { href: questionAddress(report, row), tabindex: -1 }, table.id[row] ?? "")] },
    { sort: "asked", name: "asked", kind: "brief", cell: (row) => [table.brief[row] ?? ""] },
    { sort: "expected", name: "expected", kind: "expected", cell: (row) => [table.expected[row] ?? ""] },
  );
  // All that there is of a run takes three columns: too wide for many runs, unless one is chosen.
  const shown = report.runs.map((_, index) => index).filter((index) => !filter.run || report.runs[index]?.baseline || report.runs[index]?.id === filter.run);
  const readings = (report.readings ?? []).flatMap((one, index) => (shown.includes(one.run) && (!filter.run || one.candidate === null || shown.includes(one.candidate)) ? [{ one, index }] : []));
  for (const { one, index } of readings.slice(0, FULL)) {
    found.push({ sort: `divergence:${index}`, name: `S, ${one.reader}`, kind: "tokens", cell: (row) => [variationOf(one.by_question.variation[row] ?? null, one.exact)] });
  }
  if (shown.length > FULL) {
    for (const index of shown) {
      found.push({ sort: `result:${index}`, name: report.runs[index]?.label ?? "", kind: "result", cell: (row) => shortCell(report, index, row) });
    }
    return found;
  }
  shown.forEach((index) => {
    const run = report.runs[index]!;
    found.push(
      { sort: `result:${index}`, name: run.label, kind: "result", cell: (row) => resultCell(report, index, row) },
      { sort: `tokens:${index}`, name: "tokens", kind: "tokens", cell: (row) => [count(table.runs[index]?.tokens[row])] },
    );
    const changes = table.changes[index];
    if (changes) {
      found.push({
        sort: `flip:${index}`,
        name: "since",
        kind: "flip",
        cell: (row) => {
          const kind = report.change_kinds[changes.kind[row] ?? -1];
          return [kind ? h("span", { class: `flip ${flipClass(kind)}` }, kind) : ""];
        },
      });
      found.push({
        sort: `size:${index}`,
        name: "points",
        kind: "tokens",
        cell: (row) => {
          const points = changes.points[row];
          return [points ? h("span", { title: changes.said[row] ?? "" }, signed(points, 0)) : ""];
        },
      });
    }
  });
  return found;
}

export function questions(
  report: Report, filter: Filter, at: number, go: (address: string, replace?: boolean) => void,
): QuestionsView {
  let rows = visibleRows(report, filter);
  let active = Math.max(0, rows.indexOf(at));
  const change = (part: Partial<Filter>) => go(addressOf({ ...filter, ...part }), true);

  const search = h("input", {
    type: "search",
    value: filter.text,
    placeholder: "Search questions and answers",
    "aria-label": "Search",
    "aria-keyshortcuts": "/",
    input: () => {
      // Typing must not rebuild the page under the cursor.
      filter = { ...filter, text: search.value };
      go(addressOf(filter), true);
      rows = visibleRows(report, filter);
      active = 0;
      refill();
    },
  });
  const failures = report.results.filter((name) => name !== "correct" && name !== "error");
  const results: [string, string][] = [
    ["", "any"], ["correct", "correct"], ["failed", "failed, in whatever way"],
    ...failures.map((name): [string, string] => [name, name]), ["error", "engine error"],
  ];
  const total = h("p", { class: "quiet total", role: "status" });
  const clear = h("button", { type: "button", class: "plain-button", click: () => go("#/questions", true) }, "Clear");
  const everywhere = h("a", { class: "everywhere", title: "in the texts of the questions listed (s)" }, "Prompts and traces");
  const toolbar = h(
    "div",
    { class: "toolbar", role: "search" },
    h("div", { class: "field grow" }, h("span", {}, "Search"), search),
    report.suites.length > 1 && select("Suite", [["", "all"], ...report.suites.map((name): [string, string] => [name, name])], filter.suite, (suite) => change({ suite })),
    report.runs.length > 1 && select("Model", [["", "any"], ...report.runs.map((run): [string, string] => [run.id, run.label])], filter.run, (run) => change({ run })),
    select("Result", results, filter.result, (result) => change({ result })),
    report.comparisons.length > 0 && select("Since the baseline", [["", "any"], ...report.change_kinds.map((kind): [string, string] => [kind, kind]), ["fell", "fell, by chance or not"], ["rose", "rose, by chance or not"]], filter.flip, (flip) => change({ flip })),
    clear,
    everywhere,
  );

  const shape = columns(report, filter);
  const head = h("tr", { "aria-rowindex": 1 });
  for (const column of shape) {
    const sorted = filter.sort === column.sort && (column.sort !== "" || column.kind === "id");
    const direction = !sorted ? "none" : filter.down ? "descending" : "ascending";
    const arrow = sorted ? (filter.down ? " \u2193" : " \u2191") : "";
    head.append(
      h(
        "th",
        { scope: "col", class: column.kind, "aria-sort": direction },
        h(
          "button",
          { type: "button", title: `sort by ${column.name}`, click: () => change({ sort: column.sort, down: sorted ? !filter.down : /^(tokens|divergence)/.test(column.sort) }) },
          column.name + arrow,
        ),
      ),
    );
  }
  const above = h("tr", { "aria-hidden": "true" }, h("td", { colspan: shape.length }));
  const below = h("tr", { "aria-hidden": "true" }, h("td", { colspan: shape.length }));
  const body = h("tbody");
  const table = h("table", { class: "questions", role: "grid", "aria-label": "Questions", "aria-colcount": shape.length }, h("thead", {}, head), body);
  const scroller = h("div", { class: "scroller", tabindex: 0, "aria-label": "Questions; move with the arrow keys, open with Enter" }, table);

  const line = (place: number): HTMLElement => {
    const row = rows[place]!;
    return h(
      "tr",
      {
        id: `row-${place}`,
        "aria-rowindex": place + 2,
        "aria-selected": place === active ? "true" : "false",
        click: (event) => {
          if (!(event.target as Element).closest("a")) go(questionAddress(report, row));
        },
      },
      ...shape.map((column) => h("td", { class: column.kind }, ...column.cell(row))),
    );
  };

  let printing = false;
  let from = -1;
  let to = -1;
  const fill = (force = false) => {
    const first = printing ? 0 : Math.max(0, Math.floor(scroller.scrollTop / ROW) - MARGIN);
    const last = printing ? rows.length : Math.min(rows.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + MARGIN);
    if (!force && first === from && last === to) return;
    [from, to] = [first, last];
    above.style.height = `${first * ROW}px`;
    below.style.height = `${(rows.length - last) * ROW}px`;
    const lines: Node[] = [];
    for (let place = first; place < last; place++) lines.push(line(place));
    body.replaceChildren(above, ...lines, below);
    scroller.setAttribute("aria-activedescendant", `row-${active}`);
  };
  const refill = () => {
    table.setAttribute("aria-rowcount", String(rows.length + 1));
    total.textContent = rows.length === report.questions.id.length ? counted(rows.length, "question") : `${whole(rows.length)} of ${counted(report.questions.id.length, "question")}`;
    clear.hidden = addressOf({ ...filter, sort: "", down: false }) === addressOf(NO_FILTER);
    everywhere.setAttribute("href", searchAddress(filter.text.trim(), { ...filter, text: "" }));
    empty.hidden = rows.length > 0;
    fill(true);
  };
  const empty = h("p", { class: "empty quiet" }, "No question is like that.");
  scroller.addEventListener("scroll", () => fill(), { passive: true });
  window.addEventListener("beforeprint", () => { printing = true; if (scroller.isConnected) fill(true); });
  window.addEventListener("afterprint", () => { printing = false; if (scroller.isConnected) fill(true); });

  const move = (place: number) => {
    active = Math.max(0, Math.min(rows.length - 1, place));
    const top = active * ROW;
    const visible = scroller.clientHeight - 2 * ROW;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top > scroller.scrollTop + visible) scroller.scrollTop = top - visible;
    fill(true);
  };
  const key = (event: KeyboardEvent): boolean => {
    if (event.target === search && !["ArrowDown", "Enter", "Escape"].includes(event.key)) return false;
    if (event.target instanceof HTMLSelectElement || event.target instanceof HTMLButtonElement) return false;
    const page = Math.max(1, Math.floor(scroller.clientHeight / ROW) - 2);
    switch (event.key) {
      case "/": search.focus(); search.select(); return true;
      case "s": go(everywhere.getAttribute("href") ?? ""); return true;
      case "Escape": search.blur(); scroller.focus(); return true;
      case "ArrowDown": case "j": if (event.target === search) scroller.focus(); else move(active + 1); return true;
      case "ArrowUp": case "k": move(active - 1); return true;
      case "PageDown": move(active + page); return true;
      case "PageUp": move(active - page); return true;
      case "Home": move(0); return true;
      case "End": move(rows.length - 1); return true;
      case "Enter": {
        const row = rows[active];
        if (row !== undefined) go(questionAddress(report, row));
        return true;
      }
      default: return false;
    }
  };
  refill();
  const element = h(
    "div",
    { class: "page wide" },
    h("header", { class: "title row" }, h("h1", {}, "Questions"), total),
    toolbar,
    h("div", { class: "card table-card" }, scroller, empty, outcomeLegend(report)),
  );
  return { element, key, shown: () => { move(active); scroller.focus({ preventScroll: true }); } };
}
