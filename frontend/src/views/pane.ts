// What one run said to a question, sample by sample, with jumps to the places that matter.

import { h, select } from "../dom";
import { type Finder, ofSample } from "../find";
import { count, counted, percent, UNKNOWN } from "../format";
import { parting } from "../parting";
import { type LongText, longText, shortText } from "../text";
import type { Prompt, QuestionTexts, Report, Sample } from "../types";
import { shadedView } from "./shaded";

// The places that one jumps to, with their keys.
export const STOPS = [["loop", "l"], ["closing", "c"], ["answer", "a"], ["difference", "d"]] as const;
export type Stop = (typeof STOPS)[number][0];

export interface TraceOptions {
  typeset: boolean;
  unfolded: boolean;
  find: Finder | null;
}

export interface Pane {
  element: HTMLElement;
  // Whether there is such a place; if so it is in sight afterwards.
  jump: (stop: Stop) => boolean;
  say: (words: string) => void;
  // One for each hit in any of its samples, in order.
  hits: (() => void)[];
  // The first of the hits that is in what is shown.
  firstHit: () => number;
}

interface Place {
  words: string;
  element: () => HTMLElement | null;
}

interface Shown {
  elements: HTMLElement[];
  stops: Partial<Record<Stop, Place>>;
  said: HTMLElement;
  texts: LongText[];
}

// Brings a place into sight and marks it, alone on the page.
export function goTo(element: HTMLElement | null): void {
  for (const before of document.querySelectorAll(".here")) before.classList.remove("here");
  element?.classList.add("here");
  element?.scrollIntoView({ block: "center" });
  element?.focus({ preventScroll: true });
}

export function promptView(prompt: Prompt, options: TraceOptions): { elements: HTMLElement[]; hits: (() => void)[] } {
  const views = prompt.map(([role, text]) => ({ role, view: longText({ text }, options) }));
  return {
    elements: views.map(({ role, view }) => h("div", { class: "message" }, prompt.length > 1 || role !== "user" ? h("h3", {}, role) : false, view.element)),
    hits: views.flatMap(({ view }) => stepsOf(view)),
  };
}

function stepsOf(view: LongText): (() => void)[] {
  return Array.from({ length: view.hits }, (_, index) => () => goTo(view.hit(index)));
}

// `beside` is the run in the other pane, if there is one; `at` the sample shown first, `moved` is
// told of another.
export function pane(
  report: Report, texts: QuestionTexts, run: number, beside: number | undefined, options: TraceOptions,
  at: number, moved: (place: number) => void, chooser: { able: number[]; choose: (run: number) => void },
): Pane {
  const about = report.runs[run]!;
  const found = texts.runs[run]!;
  const name = chooser.able.length > 2
    ? select("Run", chooser.able.map((one): [string, string] => [String(one), report.runs[one]!.label]), String(run), (value) => chooser.choose(Number(value)))
    : h("h2", {}, about.label, about.baseline && h("span", { class: "quiet" }, " baseline"));
  const counts = found.samples.map((sample) => hitsIn(sample, run, options.find));
  const holder = h("div", { class: "sample" });
  const tabs: HTMLElement[] = [];
  let shown: Shown | null = null;
  let current = -1;
  const show = (place: number) => {
    if (place === current) return;
    current = place;
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", index === place ? "true" : "false");
      tab.tabIndex = index === place ? 0 : -1;
    });
    shown = sampleView(report, found.samples[place]!, texts, beside, options, jump);
    holder.replaceChildren(...shown.elements);
    moved(place);
  };
  const say = (words: string) => {
    if (shown) shown.said.textContent = words;
  };
  const jump = (stop: Stop): boolean => {
    const place = shown?.stops[stop];
    if (!place) return false;
    goTo(place.element());
    say(place.words);
    return true;
  };
  found.samples.forEach((sample, place) => {
    const result = sample.error !== undefined ? "engine error" : (sample.result ?? "not graded");
    const hits = counts[place] ?? 0;
    tabs.push(
      h("button", {
        type: "button", role: "tab", class: `chip c-${sample.error !== undefined ? "error" : (sample.result ?? "ungraded")}`,
        "aria-label": `sample ${sample.sample}, ${result}${hits ? `, ${counted(hits, "hit")}` : ""}`,
        click: () => show(place),
        keydown: (event) => {
          const to = place + ({ ArrowRight: 1, ArrowLeft: -1 }[(event as KeyboardEvent).key] ?? 0);
          if (to !== place && tabs[to]) { event.stopPropagation(); event.preventDefault(); show(to); tabs[to].focus(); }
        },
      }, found.samples.length > 1 ? `${sample.sample}` : result, found.samples.length > 1 && hits > 0 && h("span", { class: "hits" }, `${hits}`)),
    );
  });
  if (found.samples.length) show(Math.max(0, Math.min(found.samples.length - 1, at)));
  else holder.append(h("p", { class: "quiet" }, "No completion of this question."));
  const otherwise = found.prompt && promptView(found.prompt, options);
  const asked = otherwise && h("details", {}, h("summary", {}, "Asked in other words"), ...otherwise.elements);
  const steps = counts.map((hits, place) => Array.from({ length: hits }, (_, index) => () => {
    show(place);
    stepsOfAll(shown?.texts ?? [])[index]?.();
  }));
  return {
    element: h(
      "section",
      { class: "card pane", "aria-label": about.label },
      h("header", {}, name, h("div", { class: "tabs", role: "tablist", "aria-label": "samples" }, found.samples.length > 1 && h("span", { class: "quiet" }, "samples"), ...tabs)),
      asked,
      holder,
      command(found.commands.join("\n")),
    ),
    jump,
    say,
    hits: [
      ...(otherwise?.hits ?? []).map((step) => () => { if (asked) asked.open = true; step(); }),
      ...steps.flat(),
    ],
    firstHit: () => (otherwise?.hits.length ?? 0) + steps.slice(0, Math.max(0, current)).flat().length,
  };
}

function stepsOfAll(views: LongText[]): (() => void)[] {
  return views.flatMap(stepsOf);
}

function hitsIn(sample: Sample, run: number, find: Finder | null): number {
  let hits = 0;
  if (find) for (const { text } of ofSample(sample, run)) hits += find(text).length;
  return hits;
}

function endOf(sample: Sample): string {
  const ends = { stop: "by itself", length: "at its token budget", loop: "stopped in a loop", unknown: "unknown" };
  const end = ends[(sample.finish ?? "") as keyof typeof ends];
  const word = sample.finish_word && sample.finish_word !== sample.finish ? ` (${sample.finish_word})` : "";
  return (end ?? UNKNOWN) + word;
}

function sampleView(
  report: Report, sample: Sample, texts: QuestionTexts, beside: number | undefined, options: TraceOptions, jump: (stop: Stop) => boolean,
): Shown {
  const said = h("p", { class: "said small", role: "status" });
  if (sample.error !== undefined) {
    return { elements: [h("div", { class: "engine-error", role: "note" }, h("strong", {}, "Engine error. "), sample.error)], stops: {}, said, texts: [] };
  }
  const facts: [string, Node[] | string][] = [["answer", sample.extracted ? shortText(sample.extracted, options.typeset, texts.kind === "expression") : answerOf(sample)]];
  if (sample.score !== undefined && sample.score > 0 && sample.score < 1) facts.push(["score", sample.score.toFixed(2)]);
  for (const [name, value] of Object.entries(sample.metrics ?? {})) facts.push([name, percent(value)]);
  facts.push(
    ["reasoning", `${count(sample.reasoning_tokens, sample.estimated)} tokens`],
    ["answer text", `${count(sample.answer_tokens, sample.estimated)} tokens`],
    ["ended", endOf(sample)],
  );
  if (sample.seconds) facts.push(["time", `${sample.seconds} s`]);
  if (sample.seed !== null && sample.seed !== undefined) facts.push(["seed", String(sample.seed)]);

  const other = beside === undefined ? undefined : texts.runs[beside]?.samples.find((one) => one.sample === sample.sample && one.reasoning);
  // Models that do not reason part in their answers.
  const compared = other && !sample.reasoning?.text && !other.reasoning?.text ? "answer" : "reasoning";
  const [own, others] = [sample[compared]?.text ?? "", other?.[compared]?.text ?? ""];
  const parts = own && others ? parting(own, others) : null;
  const graded = sample.graded && { from: sample.graded.from, to: sample.graded.to, note: gradedNote(sample) };
  const view = (part: "reasoning" | "answer") => longText(sample[part] ?? { text: "" }, {
    ...options,
    partsAt: compared === part ? parts?.left : undefined,
    graded: sample.graded?.part === part ? graded : undefined,
  });
  const views = { reasoning: view("reasoning"), answer: view("answer") };
  const { reasoning, answer } = views;
  const closing = sample.closed
    ? h("p", { class: "closing", role: "note", tabindex: -1 }, h("code", {}, sample.closed), " the reasoning ends here")
    : h("p", { class: "closing quiet" }, closingMissing(sample));
  const answered = h("div", { class: "trace", tabindex: -1 }, h("h3", {}, "Answer"), answer.element);

  const stops: Partial<Record<Stop, Place>> = {};
  const loop = reasoning.loop ?? answer.loop;
  const looping = reasoning.loop ? sample.reasoning : sample.answer;
  if (loop) stops.loop = { element: () => loop, words: `here it begins to repeat itself, ${counted(looping?.times ?? 0, "time")}` };
  if (sample.closed) stops.closing = { element: () => closing, words: `here ${sample.closed} ends the reasoning` };
  if (sample.graded) {
    const { part } = sample.graded;
    stops.answer = { element: () => views[part].graded(), words: `${sample.extracted ?? sample.provisional}: ${gradedNote(sample)}` };
  } else if (sample.extracted && sample.answer?.text) {
    stops.answer = { element: () => answered, words: `graded from this text: ${sample.extracted}` };
  }
  const label = beside === undefined ? "" : (report.runs[beside]?.label ?? "");
  if (parts) {
    stops.difference = { element: () => views[compared].parts(), words: `here it differs from ${label}, ${parts.words ? `after ${counted(parts.words, "word")}` : "from the first word on"}` };
  }
  const names: Record<Stop, string> = { loop: "Loop", closing: sample.closed ?? "", answer: sample.extracted ? "Graded answer" : "Answer so far", difference: "First difference" };
  const missing: Record<Stop, string> = {
    loop: "no loop",
    closing: closingMissing(sample),
    answer: sample.result === undefined ? "not graded" : "no answer graded",
    difference: own && own === others ? `no difference from ${label}` : "",
  };
  const jumps = STOPS.map(([stop, key]) => stops[stop] && h("button", { type: "button", class: "toggle jump", "data-stop": stop, title: `key ${key}`, "aria-keyshortcuts": key, click: () => jump(stop) }, names[stop], " ", h("kbd", {}, key)));
  const lacks = STOPS.map(([stop]) => (stops[stop] ? "" : missing[stop])).filter(Boolean).join(", ");
  return {
    elements: [
      h("div", { class: "about" },
        h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value))))),
      h("div", { class: "jumps", role: "group", "aria-label": "jump to" }, ...jumps, lacks && h("span", { class: "quiet small" }, lacks), said),
      h("div", { class: "traces" },
        (sample.closed !== undefined || sample.reasoning?.text || reasoning.loop) && h("div", { class: "trace" }, h("h3", {}, "Reasoning"), reasoning.element, closing),
        answered,
        ...(sample.read?.by.length ? [shadedView(report, sample.read, beside ?? -1)] : [])),
    ],
    stops,
    said,
    texts: [reasoning, answer],
  };
}

function gradedNote(sample: Sample): string {
  if (!sample.extracted) return "the answer it would have been, had it ended here";
  return `graded ${sample.result === "correct" ? "correct" : "wrong"}`;
}

function closingMissing(sample: Sample): string {
  return sample.closed === null ? "reasoning never closed" : "no closing tag";
}

function answerOf(sample: Sample): string {
  if (sample.provisional) return `none; it would have been ${sample.provisional}`;
  return "none";
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
