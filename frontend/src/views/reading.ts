// What models have said of a run's traces by reading them: how far they are, where, and whether
// that foretells damage.

import { foretoldChart } from "../charts/foretold";
import { h, s } from "../dom";
import { questionAddress } from "../filter";
import { count, counted, interval, percent, signed, UNKNOWN, whole } from "../format";
import type { KindPart, Report, RunReading } from "../types";
import { variationOf } from "./shaded";

const MOST = 10;

export function reading(report: Report): HTMLElement {
  const readings = report.readings ?? [];
  return h(
    "div",
    { class: "page" },
    h("header", { class: "title" }, h("h1", {}, "Reading"), h("p", { class: "quiet" }, "What models say of traces that another model has written, token by token, without generating.")),
    ...readings.map((one) => card(report, one)),
  );
}

function shareOf(ends: [number | null, number | null] | null): string {
  if (!ends) return UNKNOWN;
  const [low, high] = ends.map(percent);
  return low === high ? (low ?? UNKNOWN) : `${low} to ${high}`;
}

function card(report: Report, one: RunReading): HTMLElement {
  const room = document.documentElement.clientWidth;
  const width = Math.max(300, Math.min(620, room > 1080 ? (Math.min(room, 1400) - 150) / 2 : room - 90));
  const writer = report.runs[one.run]?.label ?? "";
  const [low, high] = one.interval ?? [null, null];
  const ends = low !== null && high !== null ? ` [${variationOf([low, low], true)}, ${variationOf([high, high], true)}]` : "";
  const facts: [string, string][] = [
    ["S", `${variationOf(one.variation, one.exact)}${ends}`],
    ["would write", shareOf(one.own_share)],
    ["read", `${counted(one.traces, "trace")} of ${counted(one.questions, "question")}, ${count(one.tokens)} tokens`],
  ];
  const notes: string[] = [...one.said];
  if (!one.finished) notes.push("This reading was not finished.");
  if (!one.texts) notes.push("What the traces' tokens say is not known: they are not shaded, and not sorted by kind.");
  if (one.left_out) notes.push("Further traces are not shaded: this report would be too large.");
  const chart = foretoldChart(report, one, width);
  return h(
    "section",
    { class: "card reading", "aria-label": `${one.reader} reads ${writer}` },
    h("h2", {}, one.reader, h("span", { class: "quiet" }, ` reads ${writer}`)),
    h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    ...notes.map((line) => h("p", { class: "small" }, line)),
    h("div", { class: "plots" }, h("div", {}, chart, worst(report, one)), kinds(one)),
  );
}

function kinds(one: RunReading): HTMLElement | false {
  const found = one.kinds;
  if (!found) return false;
  const line = (part: KindPart) =>
    h("tr", {},
      h("th", { scope: "row" }, part.name),
      h("td", {}, s("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { width: 100 * part.share, height: 10 }))),
      h("td", {}, percent(part.share)),
      h("td", { class: "quiet" }, interval(part.interval[0], part.interval[1])),
      h("td", {}, percent(part.token_share)),
      h("td", {}, variationOf([part.per_token, part.per_token], true)));
  const head = (name: string) =>
    h("tr", {}, ...[name, "", "share of TV", "interval", "of tokens", "TV/token"].map((title) => h("th", { scope: "col" }, title)));
  return h("div", { class: "kinds" },
    h("h3", {}, "Which tokens carry the total variation (TV)"),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, head("kind of token")), h("tbody", {}, ...found.kinds.map(line)),
      h("thead", {}, head("word")), h("tbody", {}, ...found.words.map(line)))));
}

function worst(report: Report, one: RunReading): HTMLElement | false {
  const { variation, loss } = one.by_question;
  const table = report.questions;
  const rows = table.id.map((_, row) => row).filter((row) => variation[row]);
  rows.sort((a, b) => (variation[b]?.[1] ?? Infinity) - (variation[a]?.[1] ?? Infinity));
  if (!rows.length) return false;
  const line = (row: number) => {
    const lost = loss[row];
    return h("tr", {},
      h("th", { scope: "row" }, h("a", { href: questionAddress(report, row) }, `${table.suites[table.suite[row] ?? 0]} ${table.id[row]}`)),
      h("td", {}, variationOf(variation[row] ?? null, one.exact)),
      h("td", {}, lost === null || lost === undefined ? UNKNOWN : signed(-100 * lost, 0)));
  };
  return h("div", { class: "kinds" },
    h("h3", {}, `Questions that diverge most${rows.length > MOST ? `, ${MOST} of ${whole(rows.length)}` : ""}`),
    h("div", { class: "scroll" }, h("table", { class: "wide" },
      h("thead", {}, h("tr", {}, ...["question", "S", "points"].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, ...rows.slice(0, MOST).map(line)))));
}
