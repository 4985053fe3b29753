// A trace as a model sees it that has read it: every token shaded by how much it disagrees.
//
// A shade is a colour and an underline, and each token's figure is its tooltip. Tokens without a
// shade are one text; a long trace is drawn as far as it is looked at.

import { h, select } from "../dom";
import { counted, whole } from "../format";
import type { Report, ShadedBy, ShadedRead } from "../types";
import { textNodes } from "../words";

// As lrmtest.analysis.shaded_trace.SHADES, in percent.
const SHADES = [1, 10, 30, 60];
const MOST = 2500;
const AROUND = 200;

const chosen = { reading: -1 };

function shadeOf(percent: number): number {
  return SHADES.filter((least) => percent >= least).length;
}

function figureOf(by: ShadedBy, at: number): string {
  const high = (by.v[at] ?? 0) / 100;
  const low = (by.w?.[at] ?? by.v[at] ?? 0) / 100;
  const sign = by.figure === "exact" ? "" : "~";
  const ends = low === high ? high.toFixed(2) : `${low.toFixed(2)}..${high.toFixed(2)}`;
  return `total variation ${sign}${ends}`;
}

export function variationOf(ends: [number | null, number | null] | null, exact: boolean): string {
  if (!ends) return "\u2013";
  const show = (value: number | null) => (value === null ? "infinite" : value === 0 ? "0" : Math.abs(value) < 0.001 ? value.toExponential(1) : `${Number(value.toPrecision(3))}`);
  const [low, high] = ends.map(show);
  return (exact ? "" : "~") + (low === high ? low : `${low}..${high}`);
}

// `beside` is the run in the other pane: its model's reading comes first, if it has one.
export function shadedView(report: Report, read: ShadedRead, beside: number): HTMLElement {
  const own = report.readings?.findIndex((one) => one.candidate === beside) ?? -1;
  const names = read.by.map((by): [string, string] => [String(by.reading), report.readings?.[by.reading]?.reader ?? ""]);
  const holder = h("div", { class: "trace shaded" });
  const draw = () => {
    const by = read.by.find((one) => one.reading === chosen.reading) ?? read.by.find((one) => one.reading === own) ?? read.by[0];
    if (!by) return;
    const name = report.readings?.[by.reading]?.reader ?? "";
    holder.replaceChildren(
      h("div", { class: "trace-head" },
        h("h3", {}, "Where it breaks"),
        names.length > 1
          ? select("as read by", names, String(by.reading), (value) => { chosen.reading = Number(value); draw(); })
          : h("span", { class: "quiet small" }, `as ${name} reads it`)),
      ...drawn(read, by),
    );
  };
  draw();
  return holder;
}

function drawn(read: ShadedRead, by: ShadedBy): HTMLElement[] {
  const would = new Set(by.t ?? []);
  const may = new Set(by.m ?? []);
  const turns = [...would, ...may].sort((a, b) => a - b);
  // Where each stretch begins: in the text, and in the trace, in tokens.
  const starts = [0];
  const places = [0];
  by.n.forEach((length, at) => {
    starts.push((starts[at] ?? 0) + length);
    places.push((places[at] ?? 0) + (by.c[at] ?? 0));
  });
  const body = h("div", { class: "text" });
  const marks = new Map<number, HTMLElement>();

  const stretch = (at: number): Node[] => {
    const text = read.text.slice(starts[at], starts[at + 1]);
    const percent = by.v[at] ?? 0;
    const turn = would.has(at) ? "turn" : may.has(at) ? "turn may" : "";
    const shade = shadeOf(percent);
    if (!shade && !turn) return textNodes(text);
    const words = turn ? `; it ${would.has(at) ? "would" : "may"} turn here` : "";
    const title = `token ${whole((places[at] ?? 0) + 1)}: ${figureOf(by, at)}${words}`;
    // A line end alone could not be seen; space before a word is no part of what is shaded.
    const blank = /^\s*$/.test(text);
    const space = blank ? "" : (/^\s+/.exec(text)?.[0] ?? "");
    const shown = blank ? `${text.includes("\n") ? "\u21b5" : "\u2423"}${text}` : text.slice(space.length);
    const element = h(turn ? "mark" : "span", { class: `v${shade} ${turn}`.trim(), title, tabindex: turn ? -1 : null }, ...textNodes(shown));
    if (turn) marks.set(at, element);
    return space ? [document.createTextNode(space), element] : [element];
  };
  const nodes = (from: number, to: number): Node[] => {
    const found: Node[] = [];
    for (let at = from; at < to; at++) found.push(...stretch(at));
    return found;
  };
  // The beginning and what is around the first turn are drawn; more is drawn when it is asked for.
  let until = Math.min(by.n.length, MOST);
  const fold = h("button", { type: "button", class: "fold" });
  const rest = () => by.tokens - (places[until] ?? 0);
  const more = (to: number) => {
    const end = Math.min(by.n.length, to);
    fold.before(...nodes(until, end));
    until = Math.max(until, end);
    fold.textContent = `Show more of the ${counted(rest(), "token")} that follow`;
    if (until >= by.n.length) fold.remove();
  };
  fold.addEventListener("click", () => more(until + MOST));
  body.append(...nodes(0, until), fold);
  more(until);

  let next = 0;
  const jump = h("button", { type: "button", class: "plain-button", title: "where it would turn" });
  const label = () => {
    const at = turns[next];
    jump.textContent = at === undefined ? "" : `${next ? "next" : "first"} turn: token ${whole((places[at] ?? 0) + 1)}`;
  };
  jump.addEventListener("click", () => {
    const at = turns[next] ?? 0;
    if (at >= until) more(at + AROUND);
    const mark = marks.get(at);
    mark?.scrollIntoView({ block: "center" });
    mark?.focus({ preventScroll: true });
    next = (next + 1) % turns.length;
    label();
  });
  label();

  const facts: [string, string][] = [
    ["S", variationOf(by.s, by.figure === "exact")],
    ["would turn at", counted(would.size, "token")],
  ];
  if (may.size) facts.push(["may turn at", counted(may.size, "token")]);
  if (by.half !== null) facts.push(["half have left by", `token ${whole(by.half)}`]);
  return [
    h("div", { class: "trace-head" },
      h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      turns.length > 0 && jump),
    body,
    ...(by.left ? [h("p", { class: "quiet small" }, `${counted(by.left, "token")} more left out of this report`)] : []),
    legend(by),
  ];
}

const WHAT = {
  exact: "total variation of both models' next-token distributions at the token's place",
  estimated: "estimate of the total variation, from the token itself",
  bounded: "upper bound on the estimate of the total variation, from the token itself",
};

function legend(by: ShadedBy): HTMLElement {
  const ends = [...SHADES.map((least) => least / 100), 1];
  return h("p", { class: "shades small quiet" },
    ...SHADES.map((_, at) => h("span", { class: `v${at + 1}` }, `${ends[at]} to ${ends[at + 1]}`)),
    h("span", {}, ` ${WHAT[by.figure]}. `),
    h("mark", { class: "turn" }, "would turn"),
    h("span", {}, " it keeps this token less than every other time."),
    by.figure === "bounded" && h("span", {}, " ", h("mark", { class: "turn may" }, "may turn"), " the bounds leave it open."));
}
