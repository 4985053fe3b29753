// Models by suites, and what the gate decided, in words.

import { h } from "../dom";
import { addressOf, NO_FILTER } from "../filter";
import { count, counted, interval, moment, percent, points, pointsInterval, pValue, ratio, UNKNOWN, whole } from "../format";
import { ALL, type Change, type ComparedSuite, type Comparison, type Report, type Run, type SuiteFigures } from "../types";
import { outcomeBar, outcomeLegend, rateStrip } from "./outcomes";

const WORDS = { ok: "OK", regressed: "Regressed", undecided: "Undecided", "cannot-tell": "Cannot tell" };
const FEW = 2;
const CHANGES = ["broken", "worse", "unstable", "better", "fixed", "unchanged"];

export function overview(report: Report): HTMLElement {
  return h(
    "div",
    { class: "page" },
    h("header", { class: "title" }, h("h1", {}, headline(report)), h("p", { class: "quiet" }, subtitle(report))),
    ...troubles(report),
    report.comparisons.length > 0 && h("section", { class: "decisions", "aria-label": "Comparisons" }, ...report.comparisons.map((one) => decision(report, one))),
    promise(report),
    h("section", { class: "card" }, h("h2", {}, "Pass rates, tokens and failures"), matrix(report), outcomeLegend(report), untold(report)),
    ...report.comparisons.filter((one) => !one.figures.early_stop && one.figures.total.questions > 0).map((one) => details(report, one)),
  );
}

function headline(report: Report): string {
  const decided = report.comparisons.filter((one) => one.figures.gate);
  const regressed = decided.filter((one) => one.figures.gate?.outcome === "regressed");
  const names = (list: Comparison[]) => list.map((one) => report.runs[one.run]?.label ?? "").join(", ");
  const baseline = report.comparisons[0]?.baseline_label ?? "";
  if (decided.length && regressed.length) {
    return `${names(regressed)} regressed against ${baseline}`;
  }
  const undecided = decided.filter((one) => one.figures.gate?.outcome === "undecided");
  const blind = decided.filter((one) => one.figures.gate?.outcome === "cannot-tell");
  if (blind.length) return `A drop could not have been seen for ${names(blind)}`;
  if (undecided.length) return `Not decided for ${names(undecided)}`;
  const warned = decided.filter((one) => one.words?.warnings.length);
  if (warned.length) return `${names(decided)}: ok against ${baseline}, with warnings`;
  if (decided.length) return `${names(decided)}: ok against ${baseline}`;
  const [only] = report.runs;
  if (report.runs.length === 1 && only) {
    const total = only.suites[ALL];
    return `${only.label} passes ${percent(total?.rate.value)} of ${counted(total?.questions ?? 0, "question")}`;
  }
  return `${counted(report.runs.length, "run")} of ${counted(report.suites.length, "suite")}`;
}

function subtitle(report: Report): string {
  const parts = [
    counted(report.questions.id.length, "question"),
    `written ${moment(report.created)}`,
    `lrmtest ${report.lrmtest}`,
    `intervals at ${100 * report.level} %`,
  ];
  return parts.join(" \u00b7 ");
}

// What a reader must know before believing a figure.
function troubles(report: Report): HTMLElement[] {
  const lines: string[] = [];
  for (const run of report.runs) {
    for (const lacking of run.lacking) lines.push(`${run.label}: ${lacking}`);
    const errors = run.suites[ALL]?.errors ?? 0;
    if (errors && !run.lacking.some((each) => each.includes("engine error"))) {
      lines.push(`${run.label}: ${counted(errors, "sample")} ended in an engine error and count in no figure`);
    }
  }
  for (const one of report.comparisons) {
    const label = report.runs[one.run]?.label ?? "";
    for (const note of one.notes) lines.push(`${label}: ${note}`);
    for (const side of ["candidate", "baseline"] as const) {
      const gaps = one.figures.missing.filter((gap) => gap.side === side);
      if (!gaps.length) continue;
      const first = gaps.slice(0, 3).map((gap) => `${gap.suite} ${gap.question}`).join(", ");
      const whose = side === "candidate" ? label : "the baseline";
      lines.push(`${counted(gaps.length, "question")} without a verdict in ${whose}: ${first}${gaps.length > 3 ? ", \u2026" : ""}`);
    }
  }
  if (!lines.length) return [];
  const shown = lines.slice(0, 6).map((line) => h("li", {}, line));
  if (lines.length > 6) shown.push(h("li", {}, `and ${lines.length - 6} more`));
  return [h("ul", { class: "troubles", role: "note" }, ...shown)];
}

function decision(report: Report, one: Comparison): HTMLElement {
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
      gate ? h("span", { class: `badge ${warnings.length ? "warned" : gate.outcome}` }, WORDS[gate.outcome]) : false,
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
        h("span", { class: "quiet" }, ` ${pointsInterval(-(change.interval.high ?? 1), -(change.interval.low ?? -1))} on ${counted(total.questions, "question")}`),
      ),
      h("p", { class: "quiet" }, `${percent(1 - change.baseline)} \u2192 ${percent(1 - change.candidate)}${total.tokens ? `, tokens \u00d7 ${ratio(total.tokens.ratio)}` : ""}`),
      total.score !== null && h("p", {}, `${total.metric}: ${percent(total.score.baseline)} \u2192 ${percent(total.score.candidate)}, ${points(-total.score.worsening)} points ${pointsInterval(-(total.score.interval.high ?? 1), -(total.score.interval.low ?? -1))}`),
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
  return h("article", { class: `card decision ${warnings.length ? "warned" : gate?.outcome ?? ""}` }, ...body);
}

// What the gate promises; the same for all comparisons of a report.
function promise(report: Report): HTMLElement | false {
  const words = report.comparisons.find((one) => one.words)?.words;
  return words ? h("p", { class: "small quiet" }, words.promise) : false;
}

// A change is only coloured when its interval leaves out no change.
function verdictClass(change: Change): string {
  const { low, high } = change.interval;
  if (low !== null && low > 0) return "worse";
  if (high !== null && high < 0) return "better";
  return "";
}

function matrix(report: Report): HTMLElement {
  const columns = report.suites.length > 1 ? [...report.suites, ALL] : report.suites;
  const head = h("tr", {}, h("th", { scope: "col" }, "model"), ...columns.map((name) => h("th", { scope: "col" }, name)));
  const body = report.runs.map((run, index) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("span", { class: "model" }, run.label), ...about(run)),
      ...columns.map((suite) => cell(report, run, index, suite)),
    ),
  );
  return h("div", { class: "scroll" }, h("table", { class: "matrix" }, h("thead", {}, head), h("tbody", {}, ...body)));
}

// What "end unknown" means; false where every text says how it ended.
function untold(report: Report): HTMLElement | false {
  if (!report.runs.some((run) => run.suites[ALL]?.unknown_ends)) return false;
  return h("p", { class: "small quiet" }, "End unknown: nothing says how the text ended; its reasoning must have been closed. Beside it the pass rate if none of those had ended.");
}

function endsUnknown(figures: SuiteFigures): string {
  return `${whole(figures.unknown_ends)} end unknown, ${percent(figures.known.value)} if none had ended`;
}

function about(run: Run): HTMLElement[] {
  const { bits_per_weight: bits, sparsity } = run.costs;
  const facts: string[] = [];
  if (run.baseline) facts.push("baseline");
  if (run.method && run.method !== "none") facts.push(run.method);
  if (bits) facts.push(`${Number(bits.toPrecision(3))} bits`);
  if (sparsity) facts.push(`${Math.round(100 * sparsity)} % sparse`);
  return facts.length ? [h("span", { class: "facts quiet" }, facts.join(" \u00b7 "))] : [];
}

/** How much of what began with drafts had to be generated. */
function drafted(drafts: { tokens: number; drafted: number }): string {
  return `${count(drafts.tokens - drafts.drafted)} of ${count(drafts.tokens)} generated, the rest of drafts`;
}

function cell(report: Report, run: Run, index: number, suite: string): HTMLElement {
  const figures = run.suites[suite];
  if (!figures) return h("td", { class: "quiet" }, "not asked");
  const compared = report.comparisons.find((one) => one.run === index);
  const part = suite === ALL ? compared?.figures.total : compared?.figures.suites.find((one) => one.suite === suite);
  const each = figures.samples / (figures.questions || 1);
  const asked = each === 1 ? `n ${whole(figures.questions)}` : `n ${whole(figures.questions)}\u00d7${Number(each.toPrecision(3))}`;
  const show = addressOf({ ...NO_FILTER, suite: suite === ALL ? "" : suite, run: run.id, result: "failed" });
  return h(
    "td",
    {},
    h(
      "div",
      { class: "rate" },
      h("a", { href: show, title: "the questions that failed" }, percent(figures.rate.value)),
      h("span", { class: "quiet" }, interval(figures.rate.low, figures.rate.high)),
      part && !compared?.figures.early_stop && h("span", { class: `delta ${verdictClass(part.failed)}`, title: "change against the baseline, in points" }, points(-part.failed.worsening)),
    ),
    rateStrip(figures.rate),
    outcomeBar(report, figures),
    h("div", { class: "small quiet" }, `${count(figures.tokens, figures.estimated)} tokens \u00b7 ${asked}${figures.errors ? ` \u00b7 ${counted(figures.errors, "error")}` : ""}`),
    figures.drafts !== null && h("div", { class: "small quiet drafts" }, drafted(figures.drafts)),
    figures.unknown_ends > 0 && h("div", { class: "small untold" }, endsUnknown(figures)),
  );
}

function details(report: Report, one: Comparison): HTMLElement {
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
  return h(
    "details",
    { class: "card", open: report.comparisons.length === 1 },
    h("summary", {}, h("h2", {}, `${report.runs[one.run]?.label ?? ""} against ${one.baseline_label}, by suite`)),
    h("div", { class: "scroll" }, h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...rows))),
    h("p", { class: "small quiet" }, "Change: candidate minus baseline, with its interval on these questions, paired by question. p: of no change in the pass rate, adjusted for the number of suites."),
  );
}
