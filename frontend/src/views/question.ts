// One question: what was asked, and what two runs said, side by side.

import { flipClass } from "../charts/flips";
import { readTexts } from "../data";
import { h } from "../dom";
import { addressOf, type Filter, questionAddress, visibleRows } from "../filter";
import { finder } from "../find";
import { whole } from "../format";
import { foundRows, searchAddress } from "../search";
import { shortText } from "../text";
import type { QuestionTexts, Report } from "../types";
import { type Pane, pane, promptView, STOPS, type Stop } from "./pane";
import { resultCell } from "./questions";

export interface QuestionView {
  element: HTMLElement;
  key: (event: KeyboardEvent) => boolean;
}

// What the reader chose stays from question to question.
const chosen: { left: number; right: number; typeset: boolean; unfolded: boolean } = { left: 0, right: 1, typeset: true, unfolded: false };

export function chooseRun(report: Report, run: string): void {
  const index = report.runs.findIndex((one) => one.id === run);
  if (index > 0) chosen.right = index;
}

export function findRow(report: Report, suite: string, id: string): number {
  const number = report.questions.suites.indexOf(suite);
  return report.questions.id.findIndex((one, row) => one === id && report.questions.suite[row] === number);
}

// `parameters` of the address: what to `find`, and the `run` and `sample` to begin with.
export function question(
  report: Report, row: number, filter: Filter, parameters: URLSearchParams, go: (address: string, replace?: boolean) => void,
): QuestionView {
  const table = report.questions;
  const suite = table.suites[table.suite[row] ?? 0] ?? "";
  let needle = parameters.get("find") ?? "";
  const searched = foundRows(needle, filter);
  const rows = searched?.includes(row) ? searched : visibleRows(report, filter);
  const list = rows.includes(row) ? rows : table.id.map((_, index) => index);
  const place = list.indexOf(row);
  const withNeedle = (address: string) => (needle ? `${address}?${new URLSearchParams({ find: needle })}` : address);
  const neighbour = (step: number) => {
    const next = list[place + step];
    return next === undefined ? null : withNeedle(questionAddress(report, next));
  };
  const back = rows === searched ? searchAddress(needle, filter) : addressOf(filter);
  const step = (name: string, label: string, address: string | null) =>
    address ? h("a", { class: "step", href: address, rel: name, "aria-label": `${name} question` }, label) : h("span", { class: "step off", "aria-hidden": "true" }, label);

  const body = h("div", { class: "question-body", "aria-busy": "true" }, h("p", { class: "quiet" }, "Opening\u2026"));
  let texts: QuestionTexts | null = null;
  let shown: Content | null = null;
  // The sample that each run shows, by its place.
  const samples = new Map<number, number>();
  let hit = -1;
  const draw = () => {
    if (!texts) return;
    shown = content(report, texts, samples, needle, draw);
    hit = -1;
    body.replaceChildren(...shown.elements);
    body.setAttribute("aria-busy", "false");
    tell();
  };
  const begin = () => {
    const run = report.runs.findIndex((one) => one.id === parameters.get("run"));
    const at = texts?.runs[run]?.samples.findIndex((one) => String(one.sample) === parameters.get("sample")) ?? -1;
    if (texts?.runs[run]) {
      if (run !== chosen.left) chosen.right = run;
      if (at >= 0) samples.set(run, at);
    }
    draw();
    if (needle) toHit(parameters.has("run") ? (shown?.firstHit(run) ?? 0) : 0);
  };
  readTexts(report, row).then(
    (found) => {
      texts = found;
      if (found) begin();
      else body.replaceChildren(h("p", {}, "This report has no text of this question: its runs were read from baseline files, which hold none."));
    },
    (error: unknown) => body.replaceChildren(h("p", { role: "alert" }, `This question cannot be shown: ${error instanceof Error ? error.message : String(error)}`)),
  );

  const told = h("span", { class: "quiet small", role: "status" });
  const further = [
    h("button", { type: "button", class: "toggle", "aria-label": "previous hit", title: "key H", click: () => { toHit(hit - 1); } }, "\u2191"),
    h("button", { type: "button", class: "toggle", "aria-label": "next hit", title: "key h", click: () => { toHit(hit + 1); } }, "\u2193"),
  ];
  const everywhere = h("a", { class: "small" }, "in all questions");
  const tell = () => {
    const hits = shown?.hits.length ?? 0;
    told.textContent = !needle.trim() ? "" : hits === 0 ? "not in these texts" : hit < 0 ? `${whole(hits)} found` : `${whole(hit + 1)} of ${whole(hits)}`;
    for (const button of further) button.hidden = hits === 0;
    everywhere.hidden = !needle.trim();
    everywhere.setAttribute("href", searchAddress(needle, filter));
  };
  const toHit = (to: number) => {
    const hits = shown?.hits ?? [];
    if (!hits.length) return;
    hit = (to + hits.length) % hits.length;
    hits[hit]?.();
    tell();
  };
  let waiting = 0;
  const search = h("input", {
    type: "search", value: needle, placeholder: "Find in prompt and traces", "aria-label": "Find in prompt and traces", "aria-keyshortcuts": "/", maxlength: 300,
    input: () => {
      clearTimeout(waiting);
      waiting = window.setTimeout(() => {
        needle = search.value;
        if (element.isConnected) go(withNeedle(questionAddress(report, row)), true);
        draw();
      }, 150);
    },
  });
  tell();

  const chips = report.runs.map((run, index) => {
    const kind = report.change_kinds[table.changes[index]?.kind[row] ?? -1];
    return h("li", {}, h("span", { class: "quiet" }, run.label), ...resultCell(report, index, row).filter((one) => one !== false), kind ? h("span", { class: `flip ${flipClass(kind)}` }, `${kind}, ${table.changes[index]?.said[row] ?? ""} points`) : "");
  });
  const element = h(
    "div",
    { class: "page wide" },
    h(
      "header",
      { class: "title question-title" },
      h("div", { class: "question-head" },
        h("nav", { class: "crumbs", "aria-label": "Questions" }, h("a", { href: back }, rows === searched ? "Search" : "Questions"), h("span", { class: "quiet" }, `${whole(place + 1)} of ${whole(list.length)}`), step("prev", "\u2190", neighbour(-1)), step("next", "\u2192", neighbour(1))),
        h("div", { class: "find", role: "search" }, search, ...further, told, everywhere)),
      h("h1", {}, h("span", { class: "quiet" }, `${suite} `), table.id[row] ?? ""),
      h("ul", { class: "chips" }, ...chips),
    ),
    body,
  );
  const follow = (address: string | null) => {
    if (address) go(address);
    return true;
  };
  const key = (event: KeyboardEvent): boolean => {
    if (event.target === search) {
      if (event.key === "Enter") toHit(hit + (event.shiftKey ? -1 : 1));
      else if (event.key === "Escape") search.blur();
      else return false;
      return true;
    }
    if (event.target instanceof HTMLSelectElement) return false;
    const stop = STOPS.find(([, name]) => name === event.key)?.[0];
    if (stop) {
      shown?.jump(stop);
      return true;
    }
    switch (event.key) {
      case "ArrowRight": case "n": case "j": return follow(neighbour(1));
      case "ArrowLeft": case "p": case "k": return follow(neighbour(-1));
      case "Escape": case "u": return follow(back);
      case "m": chosen.typeset = !chosen.typeset; draw(); return true;
      case "e": chosen.unfolded = !chosen.unfolded; draw(); return true;
      case "/": search.focus(); search.select(); return true;
      case "h": toHit(hit + 1); return true;
      case "H": toHit(hit - 1); return true;
      default: return false;
    }
  };
  return { element, key };
}

interface Content {
  elements: HTMLElement[];
  hits: (() => void)[];
  // The place among the hits of the first in what a run shows.
  firstHit: (run: number) => number;
  jump: (stop: Stop) => void;
}

function content(report: Report, texts: QuestionTexts, samples: Map<number, number>, needle: string, redraw: () => void): Content {
  const able = report.runs.map((_, index) => index).filter((index) => texts.runs[index]);
  const left = able.includes(chosen.left) ? chosen.left : able[0];
  const others = able.filter((index) => index !== left);
  const right = others.includes(chosen.right) ? chosen.right : others[0];
  const options = { typeset: chosen.typeset, unfolded: chosen.unfolded, find: finder(needle) };
  const toggle = (label: string, hint: string, on: boolean, flip: () => void) =>
    h("button", { type: "button", class: "toggle", "aria-pressed": on ? "true" : "false", title: hint, click: () => { flip(); redraw(); } }, label);
  const prompt = promptView(texts.prompt, options);
  const asked = h(
    "section",
    { class: "card asked" },
    h("div", { class: "asked-head" },
      h("h2", {}, "Asked"),
      h("div", { class: "toggles" },
        toggle("Typeset", "key m: mathematics and emphasis, or as written", chosen.typeset, () => { chosen.typeset = !chosen.typeset; }),
        toggle("Unfold everything", "key e", chosen.unfolded, () => { chosen.unfolded = !chosen.unfolded; })),
    ),
    ...prompt.elements,
    texts.references.length > 0 &&
      h("p", { class: "expected" }, h("span", { class: "quiet" }, "Expected "), h("strong", {}, ...shortText(texts.references[0] ?? "", chosen.typeset, texts.kind === "expression")),
        texts.references.length > 1 && h("span", { class: "quiet" }, ` or ${texts.references.slice(1).join("; ")}`)),
  );
  const panes: { run: number; pane: Pane }[] = [];
  const sides: [number | undefined, number | undefined, "left" | "right"][] = [[left, right, "left"], [right, left, "right"]];
  for (const [run, beside, side] of sides) {
    if (run === undefined) continue;
    const chooser = { able, choose: (index: number) => { chosen[side] = index; redraw(); } };
    panes.push({ run, pane: pane(report, texts, run, beside, options, samples.get(run) ?? 0, (at) => samples.set(run, at), chooser) });
  }
  let last: { stop: Stop; at: number } | null = null;
  return {
    elements: [asked, h("div", { class: panes.length > 1 ? "panes two" : "panes one" }, ...panes.map((one) => one.pane.element))],
    hits: [...prompt.hits, ...panes.flatMap((one) => one.pane.hits)],
    firstHit: (run) => {
      const at = panes.findIndex((one) => one.run === run);
      const before = panes.slice(0, Math.max(0, at)).flatMap((one) => one.pane.hits);
      return prompt.hits.length + before.length + (panes[at]?.pane.firstHit() ?? 0);
    },
    // The same key again goes to the other trace's place, if it has one.
    jump: (stop) => {
      const first = last?.stop === stop ? last.at + 1 : 0;
      for (let step = 0; step < panes.length; step++) {
        const at = (first + step) % panes.length;
        if (!panes[at]!.pane.jump(stop)) continue;
        last = { stop, at };
        return;
      }
      for (const one of panes) one.pane.say(panes.length > 1 ? MISSING[stop].replace("this trace", "either trace") : MISSING[stop]);
    },
  };
}

const MISSING: Record<Stop, string> = {
  loop: "no loop in this trace",
  closing: "no closing tag in this trace",
  answer: "no graded answer in this trace",
  difference: "no difference in this trace, or nothing to compare it with",
};
