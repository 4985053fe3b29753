// Search in the prompts and traces of all questions of a list.

import { h } from "../dom";
import { addressOf, type Filter, NO_FILTER, questionAddress } from "../filter";
import { LONGEST } from "../find";
import { counted, whole } from "../format";
import { type Found, type Hit, type Search, searchAddress, searchFor } from "../search";
import type { Report } from "../types";
import { textNodes } from "../words";
import { resultCell } from "./questions";

export interface SearchView {
  element: HTMLElement;
  key: (event: KeyboardEvent) => boolean;
  shown: () => void;
}

export function search(report: Report, needle: string, filter: Filter, go: (address: string) => void): SearchView {
  const looking = searchFor(report, needle, filter);
  const field = h("input", { type: "search", value: needle, placeholder: "Text, as written", "aria-label": "Text to find", "aria-keyshortcuts": "/", maxlength: LONGEST });
  const look = () => go(searchAddress(field.value.trim(), filter));
  const bar = h("progress", { max: Math.max(1, looking?.questions ?? 1), "aria-label": "searched" });
  const told = h("p", { class: "quiet", role: "status" });
  const stop = h("button", { type: "button", class: "toggle", click: () => looking?.stop() }, "Stop");
  const more = h("button", { type: "button", class: "toggle", click: () => start() }, "Go on");
  const results = h("ol", { class: "results" });
  let listed = 0;

  const changed = (): boolean => {
    if (!looking) return false;
    for (; listed < looking.found.length; listed++) results.append(foundView(report, needle, looking.found[listed]!));
    const busy = looking.state === "searching";
    bar.value = looking.done;
    bar.hidden = looking.state === "over";
    stop.hidden = !busy;
    more.hidden = busy || looking.state === "over" || looking.state === "failed";
    told.textContent = said(looking);
    results.setAttribute("aria-busy", String(busy));
    return element.isConnected;
  };
  const start = () => void looking?.run(changed);

  const narrowed = addressOf({ ...filter, sort: "", down: false }) !== addressOf(NO_FILTER);
  const element = h(
    "div",
    { class: "page" },
    h("header", { class: "title row" }, h("h1", {}, "Search in prompts and traces"), h("a", { href: addressOf(filter) }, narrowed ? "the list's questions" : "all questions")),
    h("section", { class: "card search" },
      h("div", { class: "toolbar", role: "search" },
        h("div", { class: "field grow" }, h("span", {}, "Text, in either case"), field),
        h("button", { type: "button", class: "toggle", click: look }, "Search")),
      narrowed && h("p", { class: "small" }, h("span", { class: "quiet" }, "Only in the questions that the list is filtered to. "), h("a", { href: searchAddress(needle, NO_FILTER) }, "Search all")),
      looking && h("div", { class: "progress" }, bar, told, stop, more),
      results),
  );
  if (!looking) stop.hidden = more.hidden = true;
  const key = (event: KeyboardEvent): boolean => {
    if (event.target === field) {
      if (event.key === "Enter") look();
      else if (event.key === "Escape") field.blur();
      else return false;
      return true;
    }
    if (event.key === "/") {
      field.focus();
      field.select();
      return true;
    }
    if (event.key !== "Escape" && event.key !== "u") return false;
    go(addressOf(filter));
    return true;
  };
  return {
    element,
    key,
    shown: () => {
      if (!looking) field.focus();
      // What was stopped by its reader, or has found enough, waits for a word.
      else if (!looking.done || looking.state === "stopped") start();
      changed();
    },
  };
}

function said(search: Search): string {
  const found = `${counted(search.hits, "hit")} in ${counted(search.found.length, "question")}`;
  switch (search.state) {
    case "over": return search.hits ? `${found}; ${counted(search.questions, "question")} searched` : `Not in any of ${counted(search.questions, "question")}`;
    case "failed": return `${found}; the search ended: ${search.failure}`;
    case "enough": return `${found}, after ${whole(search.done)} of ${counted(search.questions, "question")}`;
    default: return `${found}; ${whole(search.done)} of ${counted(search.questions, "question")} searched`;
  }
}

function foundView(report: Report, needle: string, found: Found): HTMLElement {
  const table = report.questions;
  const { row } = found;
  const shown = found.hits.reduce((sum, hit) => sum + hit.spans.length, 0);
  return h("li", {},
    h("div", { class: "result-head" },
      h("a", { href: `${questionAddress(report, row)}?${new URLSearchParams({ find: needle })}` }, `${table.suites[table.suite[row] ?? 0]} ${table.id[row]}`),
      h("span", { class: "quiet small" }, counted(found.total, "hit"), shown < found.total && `, ${whole(shown)} of them here`)),
    ...found.hits.map((hit) => hitView(report, needle, row, hit)));
}

function hitView(report: Report, needle: string, row: number, { place, text, spans }: Hit): HTMLElement {
  const nodes: Node[] = [];
  let at = 0;
  for (const { from, to } of spans) {
    nodes.push(...textNodes(text.slice(at, from)), h("mark", { class: "hit" }, ...textNodes(text.slice(from, to))));
    at = to;
  }
  nodes.push(...textNodes(text.slice(at)));
  const run = report.runs[place.run];
  const prompt = place.part === "prompt";
  const parameters = new URLSearchParams({ find: needle, ...(prompt ? {} : { run: run?.id ?? "", sample: String(place.sample) }) });
  return h("div", { class: "result" },
    h("a", { class: "small", href: `${questionAddress(report, row)}?${parameters}` }, prompt ? "prompt" : `${run?.label ?? ""}, sample ${place.sample}, ${place.part}${place.loop ? ", in its loop" : ""}`),
    ...(prompt ? [] : resultCell(report, place.run, row).slice(0, 1)),
    h("p", { class: "snippet" }, ...nodes));
}
