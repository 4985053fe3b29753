// Literal text in texts: whatever is looked for, no character of it means anything but itself.

import type { Prompt, QuestionTexts, Sample } from "./types";

export interface Span {
  from: number;
  to: number;
}

// Of one text; more are not told apart.
export const MOST_HITS = 500;
export const LONGEST = 300;

export type Finder = (text: string, most?: number) => Span[];

// What finds a needle, in either case; null for one that there is nothing to look for.
export function finder(needle: string): Finder | null {
  const wanted = needle.slice(0, LONGEST).trim();
  if (!wanted) return null;
  const literal = new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu");
  return (text, most = MOST_HITS) => {
    const spans: Span[] = [];
    for (const match of text.matchAll(literal)) {
      spans.push({ from: match.index, to: match.index + match[0].length });
      if (spans.length >= most) break;
    }
    return spans;
  };
}

export interface Place {
  // Of a prompt, the run that was asked in other words, else the first.
  run: number;
  // -1: the prompt.
  sample: number;
  part: "prompt" | "reasoning" | "answer";
  // In the loop, which is kept once.
  loop: boolean;
  text: string;
}

function* ofPrompt(prompt: Prompt, run: number): Iterable<Place> {
  for (const [, text] of prompt) yield { run, sample: -1, part: "prompt", loop: false, text };
}

export function* ofSample(sample: Sample, run: number): Iterable<Place> {
  for (const part of ["reasoning", "answer"] as const) {
    const found = sample[part];
    if (!found) continue;
    yield { run, sample: sample.sample, part, loop: false, text: found.text };
    if (found.loop !== undefined) yield { run, sample: sample.sample, part, loop: true, text: found.loop };
  }
}

// All texts of a question, in the order in which its view shows them.
export function* placesOf(texts: QuestionTexts): Iterable<Place> {
  yield* ofPrompt(texts.prompt, 0);
  for (const [run, found] of texts.runs.entries()) {
    if (found?.prompt) yield* ofPrompt(found.prompt, run);
    for (const sample of found?.samples ?? []) yield* ofSample(sample, run);
  }
}
