// What the gate decided on each run, in words, and each comparison by suite.

import { h } from "../dom";
import { addressOf, NO_FILTER } from "../filter";
import { count, counted, percent, points, pointsInterval, pValue, ratio, UNKNOWN, whole } from "../format";
import { ALL, type Change, type ComparedSuite, type Comparison, type Gate, type Report, type Run } from "../types";

const WORDS = { ok: "OK", regressed: "Regressed", undecided: "Undecided", "cannot-tell": "Cannot tell" };
const FEW = 2;
// So many comparisons stand side by side; more are a list to be opened.
const CARDS = 3;
const CHANGES = ["broken", "worse", "unstable", "better", "fixed", "unchanged"];

export interface Comparisons {
  elements: (HTMLElement | false)[];
  // They are cards, to be read before the plots.
  few: boolean;
  // Opens the comparison of a run and goes to it.
  open: (run: number) => void;
}

export function comparisons(report: Report): Comparisons {
  const all = report.comparisons;
  const byRun = new Map<number, HTMLElement>();
  const bySuite = (one: Comparison) => !one.figures.early_stop && one.figures.total.questions > 0;
  const open = (run: number) => {
    const found = byRun.get(run);
    if (found instanceof HTMLDetailsElement) found.open = true;
    found?.scrollIntoView({ block: "start" });
    (found?.querySelector("summary") ?? found)?.focus({ preventScroll: true });
  };
  if (!all.length) return { elements: [], few: true, open };
  const many = all.length > CARDS;
  for (const one of all) {
    byRun.set(one.run, many ? folded(report, one, bySuite(one)) : h("article", { class: `card decision ${outcomeOf(one)}`, tabindex: -1 }, ...decision(report, one)));
  }
  return {
    few: !many,
    elements: [
      h("section", { class: many ? "decision-list" : "decisions", "aria-label": "Comparisons" }, many && h("h2", {}, `Each against ${all[0]?.baseline_label ?? ""}`), ...byRun.values()),
      promise(report),
      ...(many ? [] : all.filter(bySuite).map((one) => details(report, one))),
    ],
    open,
  };
}

export function gateBadge(one: Comparison): HTMLElement | false {
  const { gate } = one.figures;
  return gate ? h("span", { class: `badge ${outcomeOf(one)}` }, WORDS[gate.outcome]) : false;
}

function outcomeOf(one: Comparison): Gate["outcome"] | "warned" | "" {
  return one.words?.warnings.length ? "warned" : (one.figures.gate?.outcome ?? "");
}

function folded(report: Report, one: Comparison, bySuite: boolean): HTMLElement {
  const { total, early_stop: early } = one.figures;
  const change = total.failed;
  const [head, ...body] = decision(report, one);
  return h(
    "details",
    { class: `card decision ${outcomeOf(one)}` },
    h("summary", {}, head!, !early && total.questions > 0 && h("span", { class: "in-short" }, h("strong", { class: verdictClass(change) }, `${points(-change.worsening)} points`), h("span", { class: "quiet" }, ` ${changeInterval(change)}`))),
    h("div", { class: "opened" }, ...body, ...(bySuite ? suitesTable(report, one) : [])),
  );
}

function changeInterval(change: Change): string {
  return pointsInterval(-(change.interval.high ?? 1), -(change.interval.low ?? -1));
}

function decision(report: Report, one: Comparison): (Node | false)[] {
  const { gate, total, early_stop: early } = one.figures;
  const run = report.runs[one.run];
  const change = total.failed;
  const changes = one.change_counts[ALL] ?? {};
  const warnings = one.words?.warnings ?? [];
  const body: (Node | false)[] = [
    h(
      "header",
      {},
      h("h2", {}, run?.label ?? "", h("span", { class: "quiet" }, ` against ${one.baseline_label}`)),
      gateBadge(one),
    ),
  ];
  if (early) {
    body.push(h("p", {}, `Stopped when decided: ${whole(early.looked_at)} of ${counted(early.samples, "sample")} counted, ${whole(early.not_generated)} not generated. The rates below are of what had arrived, short completions first.`));
  } else if (total.questions) {
    body.push(
      h(
        "p",
        { class: "change" },
        h("strong", { class: verdictClass(change) }, `${points(-change.worsening)} points`),
        h("span", { class: "quiet" }, ` ${changeInterval(change)} on ${counted(total.questions, "question")}`),
      ),
      h("p", { class: "quiet" }, `${percent(1 - change.baseline)} \u2192 ${percent(1 - change.candidate)}${total.tokens ? `, tokens \u00d7 ${ratio(total.tokens.ratio)}` : ""}`),
      total.score !== null && h("p", {}, `${total.metric}: ${percent(total.score.baseline)} \u2192 ${percent(total.score.candidate)}, ${points(-total.score.worsening)} points ${changeInterval(total.score)}`),
    );
  }
  if (one.words) body.push(h("p", { class: "meaning" }, h("strong", {}, one.words.badge)));
  if (warnings.length) body.push(h("ul", { class: "troubles", role: "note" }, ...warnings.map((line) => h("li", {}, line))));
  if (gate) {
    const list = (reasons: string[]) => h("ul", { class: "reasons" }, ...reasons.map((reason) => h("li", {}, reason)));
    body.push(list(gate.reasons.slice(0, FEW)));
    if (gate.reasons.length > FEW) {
      body.push(h("details", { class: "more" }, h("summary", {}, `${gate.reasons.length - FEW} more`), list(gate.reasons.slice(FEW))));
    }
    const words = one.words;
    if (words) {
      body.push(...[words.needs, words.helps].filter(Boolean).map((line) => h("p", {}, line)));
      body.push(h("p", { class: "small quiet" }, words.meaning), ...[words.look, words.given].filter(Boolean).map((line) => h("p", { class: "small quiet look" }, line)));
    }
  }
  body.push(
    h("p", { class: "small" }, `Questions: ${one.directions}`),
    h(
      "p",
      { class: "flip-counts" },
      ...CHANGES.map((kind) =>
        h(
          "a",
          { href: addressOf({ ...NO_FILTER, run: run?.id ?? "", flip: kind }) },
          h("span", { class: `swatch f-${kind}`, "aria-hidden": "true" }),
          `${whole(changes[kind] ?? 0)} ${kind}`,
        ),
      ),
    ),
  );
  return body;
}

// What the gate promises; the same for all comparisons of a report.
function promise(report: Report): HTMLElement | false {
  const words = report.comparisons.find((one) => one.words)?.words;
  return words ? h("p", { class: "small quiet" }, words.promise) : false;
}

// A change is only coloured when its interval leaves out no change.
export function verdictClass(change: Change): string {
  const { low, high } = change.interval;
  if (low !== null && low > 0) return "worse";
  if (high !== null && high < 0) return "better";
  return "";
}

function details(report: Report, one: Comparison): HTMLElement {
  return h(
    "details",
    { class: "card", open: report.comparisons.length === 1 },
    h("summary", {}, h("h2", {}, `${report.runs[one.run]?.label ?? ""} against ${one.baseline_label}, by suite`)),
    ...suitesTable(report, one),
  );
}

function suitesTable(report: Report, one: Comparison): HTMLElement[] {
  const parts: ComparedSuite[] = one.figures.suites.length > 1 ? [...one.figures.suites, one.figures.total] : one.figures.suites;
  const heads = ["suite", "questions", "baseline", "candidate", "change, points", "p", "truncated, points", "looped, points", "tokens", "ratio"];
  const candidate = report.runs[one.run];
  const baseline = report.runs.find((run) => run.id === one.figures.baseline.run_id);
  const ends = (run: Run | undefined, suite: string) => run?.suites[suite]?.unknown_ends ?? null;
  const anyEnds = [baseline, candidate].some((run) => run?.suites[ALL]?.unknown_ends);
  if (anyEnds) heads.push("end unknown");
  const untoldCell = (suite: string) => {
    const told = [baseline, candidate].map((run) => {
      const count = ends(run, suite);
      const known = run?.suites[suite]?.known.value;
      return count === null ? UNKNOWN : count === 0 ? "0" : `${whole(count)} (${percent(known)} if none had ended)`;
    });
    return h("td", {}, told.join(" \u2192 "));
  };
  const change = (found: Change, sign: number) => {
    const low = found.interval.low ?? -1;
    const high = found.interval.high ?? 1;
    const ends = sign < 0 ? pointsInterval(-high, -low) : pointsInterval(low, high);
    return h("td", {}, points(sign * found.worsening), h("span", { class: "quiet" }, ` ${ends}`));
  };
  const rows = parts.map((part) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, part.suite),
      h("td", {}, whole(part.questions)),
      h("td", {}, percent(1 - part.failed.baseline)),
      h("td", {}, percent(1 - part.failed.candidate)),
      change(part.failed, -1),
      h("td", {}, pValue(part.p_adjusted)),
      change(part.truncated, 1),
      change(part.looped, 1),
      h("td", {}, part.tokens ? `${count(part.tokens.baseline_mean)} \u2192 ${count(part.tokens.candidate_mean)}` : "\u2013"),
      h("td", {}, part.tokens ? ratio(part.tokens.ratio) : "\u2013", part.tokens && h("span", { class: "quiet" }, ` [${ratio(part.tokens.interval.low)}, ${ratio(part.tokens.interval.high)}]`)),
      anyEnds && untoldCell(part.suite),
    ),
  );
  return [
    h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "By suite" }, h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...rows))),
    h("p", { class: "small quiet" }, "Change: candidate minus baseline, with its interval on these questions, paired by question. p: of no change in the pass rate, adjusted for the number of suites."),
  ];
}
