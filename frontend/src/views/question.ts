// One question: what was asked, and what two runs said, side by side.

import { flipClass } from "../charts/flips";
import { readTexts } from "../data";
import { h, select } from "../dom";
import { addressOf, type Filter, questionAddress, visibleRows } from "../filter";
import { count, percent, UNKNOWN, whole } from "../format";
import { withMath } from "../math";
import { longText } from "../text";
import type { Prompt, QuestionTexts, Report, Sample } from "../types";
import { resultCell } from "./questions";
import { shadedView } from "./shaded";

export interface QuestionView {
  element: HTMLElement;
  key: (event: KeyboardEvent) => boolean;
}

// What the reader chose stays from question to question.
const chosen: { left: number; right: number; math: boolean; unfolded: boolean } = { left: 0, right: 1, math: true, unfolded: false };

export function chooseRun(report: Report, run: string): void {
  const index = report.runs.findIndex((one) => one.id === run);
  if (index > 0) chosen.right = index;
}

export function findRow(report: Report, suite: string, id: string): number {
  const number = report.questions.suites.indexOf(suite);
  return report.questions.id.findIndex((one, row) => one === id && report.questions.suite[row] === number);
}

export function question(report: Report, row: number, filter: Filter, go: (address: string) => void): QuestionView {
  const table = report.questions;
  const suite = table.suites[table.suite[row] ?? 0] ?? "";
  const rows = visibleRows(report, filter);
  const list = rows.includes(row) ? rows : table.id.map((_, index) => index);
  const place = list.indexOf(row);
  const neighbour = (step: number) => {
    const next = list[place + step];
    return next === undefined ? null : questionAddress(report, next);
  };
  const back = addressOf(filter);
  const step = (name: string, label: string, address: string | null) =>
    address ? h("a", { class: "step", href: address, rel: name, "aria-label": `${name} question` }, label) : h("span", { class: "step off", "aria-hidden": "true" }, label);

  const body = h("div", { class: "question-body", "aria-busy": "true" }, h("p", { class: "quiet" }, "Opening\u2026"));
  let texts: QuestionTexts | null = null;
  const draw = () => {
    if (!texts) return;
    body.replaceChildren(...content(report, texts, draw));
    body.setAttribute("aria-busy", "false");
  };
  readTexts(report, row).then(
    (found) => {
      texts = found;
      if (found) draw();
      else body.replaceChildren(h("p", {}, "This report has no text of this question: its runs were read from baseline files, which hold none."));
    },
    (error: unknown) => body.replaceChildren(h("p", { role: "alert" }, `This question cannot be shown: ${error instanceof Error ? error.message : String(error)}`)),
  );

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
      h("nav", { class: "crumbs", "aria-label": "Questions" }, h("a", { href: back }, "Questions"), h("span", { class: "quiet" }, `${whole(place + 1)} of ${whole(list.length)}`), step("prev", "\u2190", neighbour(-1)), step("next", "\u2192", neighbour(1))),
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
    if (event.target instanceof HTMLSelectElement) return false;
    switch (event.key) {
      case "ArrowRight": case "n": case "j": return follow(neighbour(1));
      case "ArrowLeft": case "p": case "k": return follow(neighbour(-1));
      case "Escape": case "u": return follow(back);
      case "m": chosen.math = !chosen.math; draw(); return true;
      case "e": chosen.unfolded = !chosen.unfolded; draw(); return true;
      default: return false;
    }
  };
  return { element, key };
}

function content(report: Report, texts: QuestionTexts, redraw: () => void): HTMLElement[] {
  const able = report.runs.map((_, index) => index).filter((index) => texts.runs[index]);
  const left = able.includes(chosen.left) ? chosen.left : able[0];
  const others = able.filter((index) => index !== left);
  const right = others.includes(chosen.right) ? chosen.right : others[0];
  const toggle = (label: string, hint: string, on: boolean, flip: () => void) =>
    h("button", { type: "button", class: "toggle", "aria-pressed": on ? "true" : "false", title: hint, click: () => { flip(); redraw(); } }, label);
  const asked = h(
    "section",
    { class: "card asked" },
    h("div", { class: "asked-head" },
      h("h2", {}, "Asked"),
      h("div", { class: "toggles" },
        toggle("Typeset mathematics", "key m", chosen.math, () => { chosen.math = !chosen.math; }),
        toggle("Unfold everything", "key e", chosen.unfolded, () => { chosen.unfolded = !chosen.unfolded; })),
    ),
    ...promptView(texts.prompt),
    texts.references.length > 0 &&
      h("p", { class: "expected" }, h("span", { class: "quiet" }, "Expected "), h("strong", {}, ...withMath(texts.references[0] ?? "", chosen.math)),
        texts.references.length > 1 && h("span", { class: "quiet" }, ` or ${texts.references.slice(1).join("; ")}`)),
  );
  const panes: HTMLElement[] = [];
  const sides: [number | undefined, "left" | "right"][] = [[left, "left"], [right, "right"]];
  for (const [index, side] of sides) {
    if (index === undefined) continue;
    panes.push(pane(report, texts, index, side, able, redraw));
  }
  return [asked, h("div", { class: panes.length > 1 ? "panes two" : "panes" }, ...panes)];
}

function promptView(prompt: Prompt): HTMLElement[] {
  return prompt.map(([role, text]) =>
    h("div", { class: "message" }, prompt.length > 1 || role !== "user" ? h("h3", {}, role) : false, longText({ text }, { math: chosen.math, unfolded: chosen.unfolded })),
  );
}

function pane(
  report: Report, texts: QuestionTexts, index: number, side: "left" | "right", able: number[], redraw: () => void,
): HTMLElement {
  const run = report.runs[index]!;
  const found = texts.runs[index]!;
  const name = able.length > 2
    ? select("Run", able.map((one): [string, string] => [String(one), report.runs[one]!.label]), String(index), (value) => { chosen[side] = Number(value); redraw(); })
    : h("h2", {}, run.label, run.baseline && h("span", { class: "quiet" }, " baseline"));
  const holder = h("div", { class: "sample" });
  const tabs: HTMLElement[] = [];
  const show = (place: number) => {
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", at === place ? "true" : "false");
      tab.tabIndex = at === place ? 0 : -1;
    });
    holder.replaceChildren(...sampleView(report, index, found.samples[place]!, texts));
  };
  found.samples.forEach((sample, place) => {
    tabs.push(
      h("button", {
        type: "button", role: "tab", class: `chip c-${sample.error !== undefined ? "error" : (sample.result ?? "ungraded")}`,
        "aria-label": `sample ${sample.sample}, ${sample.error !== undefined ? "engine error" : (sample.result ?? "not graded")}`,
        click: () => show(place),
        keydown: (event) => {
          const to = place + ({ ArrowRight: 1, ArrowLeft: -1 }[(event as KeyboardEvent).key] ?? 0);
          if (to !== place && tabs[to]) { event.stopPropagation(); event.preventDefault(); show(to); tabs[to].focus(); }
        },
      }, found.samples.length > 1 ? `${sample.sample}` : (sample.error !== undefined ? "engine error" : (sample.result ?? "not graded"))),
    );
  });
  if (found.samples.length) show(0);
  else holder.append(h("p", { class: "quiet" }, "No completion of this question."));
  return h(
    "section",
    { class: "card pane", "aria-label": run.label },
    h("header", {}, name, h("div", { class: "tabs", role: "tablist", "aria-label": "samples" }, found.samples.length > 1 && h("span", { class: "quiet" }, "samples"), ...tabs)),
    found.prompt && h("details", {}, h("summary", {}, "Asked in other words"), ...promptView(found.prompt)),
    holder,
    command(found.commands.join("\n")),
  );
}

function endOf(sample: Sample): string {
  const ends = { stop: "by itself", length: "at its token budget", loop: "stopped in a loop", unknown: "unknown" };
  const end = ends[(sample.finish ?? "") as keyof typeof ends];
  const word = sample.finish_word && sample.finish_word !== sample.finish ? ` (${sample.finish_word})` : "";
  return (end ?? UNKNOWN) + word;
}

function sampleView(report: Report, run: number, sample: Sample, texts: QuestionTexts): HTMLElement[] {
  if (sample.error !== undefined) {
    return [h("div", { class: "engine-error", role: "note" }, h("strong", {}, "Engine error. "), sample.error)];
  }
  const facts: [string, string][] = [["answer", answerOf(sample)]];
  if (sample.score !== undefined && sample.score > 0 && sample.score < 1) facts.push(["score", sample.score.toFixed(2)]);
  for (const [name, value] of Object.entries(sample.metrics ?? {})) facts.push([name, percent(value)]);
  facts.push(
    ["reasoning", `${count(sample.reasoning_tokens, sample.estimated)} tokens`],
    ["answer text", `${count(sample.answer_tokens, sample.estimated)} tokens`],
    ["ended", endOf(sample)],
  );
  if (sample.seconds) facts.push(["time", `${sample.seconds} s`]);
  if (sample.seed !== null && sample.seed !== undefined) facts.push(["seed", String(sample.seed)]);
  const { partsAt, words } = partingOf(report, run, sample, texts);
  const options = { math: chosen.math, unfolded: chosen.unfolded };
  const reasoning = longText(sample.reasoning ?? { text: "" }, { ...options, partsAt });
  return [
    h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("div", { class: "trace" },
      h("div", { class: "trace-head" },
        h("h3", {}, "Reasoning"),
        partsAt !== undefined && h("button", { type: "button", class: "plain-button", click: () => jump(reasoning) }, `differs after ${whole(words)} words`)),
      reasoning),
    h("div", { class: "trace" }, h("h3", {}, "Answer"), longText(sample.answer ?? { text: "" }, options)),
    ...(sample.read?.by.length ? [shadedView(report, sample.read, run === chosen.left ? chosen.right : chosen.left)] : []),
  ];
}

function answerOf(sample: Sample): string {
  if (sample.extracted) return sample.extracted;
  if (sample.provisional) return `none; it would have been ${sample.provisional}`;
  return "none";
}

// Where this sample's reasoning parts from that of the first run's sample of the same number.
function partingOf(report: Report, run: number, sample: Sample, texts: QuestionTexts): { partsAt?: number; words: number } {
  if (run > 0) return { partsAt: sample.parting?.this, words: sample.parting?.words ?? 0 };
  const beside = texts.runs[chosen.right < report.runs.length ? chosen.right : 1];
  const other = beside?.samples.find((one) => one.sample === sample.sample)?.parting;
  return { partsAt: other?.first, words: other?.words ?? 0 };
}

function jump(trace: HTMLElement): void {
  const mark = trace.querySelector<HTMLElement>(".parts");
  mark?.scrollIntoView({ block: "center" });
  mark?.focus({ preventScroll: true });
}

function command(text: string): HTMLElement {
  const code = h("code", {}, text);
  const button = h("button", {
    type: "button",
    class: "plain-button",
    click: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        // No clipboard for a page from a file in some browsers: select it instead.
        getSelection()?.selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    },
  }, "Copy");
  return h("div", { class: "command" }, h("h3", {}, "Ask again"), h("div", {}, code, button));
}
