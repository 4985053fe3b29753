// Which questions the table shows, and in which order; all of it is in the address.

import type { Report } from "./types";

export interface Filter {
  text: string;
  suite: string;
  run: string;
  result: string;
  flip: string;
  sort: string;
  down: boolean;
}

export const NO_FILTER: Filter = {
  text: "", suite: "", run: "", result: "", flip: "", sort: "", down: false,
};

export function filterOf(parameters: URLSearchParams): Filter {
  const get = (name: string) => parameters.get(name) ?? "";
  return {
    text: get("text"),
    suite: get("suite"),
    run: get("run"),
    result: get("result"),
    flip: get("flip"),
    sort: get("sort"),
    down: get("down") === "1",
  };
}

export function addressOf(filter: Filter): string {
  const parameters = new URLSearchParams();
  for (const name of ["text", "suite", "run", "result", "flip", "sort"] as const) {
    if (filter[name]) parameters.set(name, filter[name]);
  }
  if (filter.down) parameters.set("down", "1");
  const text = parameters.toString();
  return text ? `#/questions?${text}` : "#/questions";
}

export function questionAddress(report: Report, row: number): string {
  const table = report.questions;
  const suite = table.suites[table.suite[row] ?? 0] ?? "";
  return `#/q/${encodeURIComponent(suite)}/${encodeURIComponent(table.id[row] ?? "")}`;
}

// The runs that `filter.run` stands for.
function runsOf(report: Report, filter: Filter): number[] {
  const all = report.runs.map((_, index) => index);
  return filter.run ? all.filter((index) => report.runs[index]?.id === filter.run) : all;
}

function matcher(report: Report, filter: Filter): (row: number) => boolean {
  const table = report.questions;
  const suite = filter.suite ? table.suites.indexOf(filter.suite) : -1;
  const runs = runsOf(report, filter);
  const result = filter.result ? report.results.indexOf(filter.result) : -1;
  const change = report.change_kinds.indexOf(filter.flip);
  const changed = (run: number, row: number): boolean => {
    const points = table.changes[run]?.points[row] ?? 0;
    if (filter.flip === "fell") return points < 0;
    if (filter.flip === "rose") return points > 0;
    return table.changes[run]?.kind[row] === change;
  };
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (row) => {
    if (suite >= 0 && table.suite[row] !== suite) return false;
    if (filter.run && !runs.some((run) => table.runs[run]?.result[row] != null)) return false;
    if (filter.result) {
      const found = runs.some((run) => {
        const cell = table.runs[run]?.result[row];
        if (filter.result === "failed") return cell != null && cell !== 0 && cell !== report.results.indexOf("error");
        return cell === result;
      });
      if (!found) return false;
    }
    if (filter.flip && !runs.some((run) => changed(run, row))) return false;
    if (!words.length) return true;
    const text = `${table.suites[table.suite[row] ?? 0]} ${table.id[row]} ${table.brief[row]} ${table.expected[row]}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

// A row's value in a sorted column; rows come in their natural order already.
function sortValue(report: Report, sort: string): (row: number) => number | string {
  const table = report.questions;
  const [kind, number] = sort.split(":");
  const run = Number(number ?? 0);
  switch (kind) {
    case "expected":
      return (row) => table.expected[row] ?? "";
    case "asked":
      return (row) => table.brief[row] ?? "";
    case "tokens":
      return (row) => table.runs[run]?.tokens[row] ?? -1;
    case "result":
      return (row) => {
        const result = table.runs[run]?.result[row];
        if (result == null) return 99;
        const share = (table.runs[run]?.passes[row] ?? 0) / (table.runs[run]?.samples[row] || 1);
        return result + 1 - share;
      };
    case "flip":
      return (row) => table.changes[run]?.kind[row] ?? 99;
    case "size":
      return (row) => table.changes[run]?.points[row] ?? 999;
    case "divergence":
      return (row) => report.readings?.[run]?.by_question.variation[row]?.[1] ?? -1;
    default:
      return (row) => row;
  }
}

export function visibleRows(report: Report, filter: Filter): number[] {
  const matches = matcher(report, filter);
  const rows = report.questions.id.map((_, row) => row).filter(matches);
  if (filter.sort) {
    const value = sortValue(report, filter.sort);
    const values = new Map(rows.map((row) => [row, value(row)]));
    rows.sort((a, b) => {
      const left = values.get(a)!;
      const right = values.get(b)!;
      if (typeof left === "string" && typeof right === "string") return left.localeCompare(right, "en", { numeric: true }) || a - b;
      return Number(left) - Number(right) || a - b;
    });
  }
  return filter.down ? rows.reverse() : rows;
}
