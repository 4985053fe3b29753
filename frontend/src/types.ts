// What lrmtest.reports.html writes. Every figure comes from there; the page computes none.

export interface Rate {
  value: number | null;
  low: number;
  high: number;
}

export interface Spread {
  count: number;
  p5: number;
  q1: number;
  median: number;
  q3: number;
  p95: number;
}

export interface BudgetPoint {
  budget: number;
  rate: Rate;
  tokens: number;
  cut: number;
}

/** Completions by length; bin i has from edges[i] to less than edges[i + 1] tokens. */
export interface LengthBins {
  edges: number[];
  counts: Record<string, number[]>;
}

export interface SuiteFigures {
  questions: number;
  samples: number;
  errors: number;
  unanswered: number;
  rate: Rate;
  unknown_ends: number;
  known: Rate;
  lenient: Rate | null;
  score: Rate | null;
  metrics: Record<string, Rate>;
  counts: Record<string, number>;
  ends: { finished: number; truncated: number; looped: number; unknown: number };
  tokens: number | null;
  reasoning_tokens: number | null;
  estimated: boolean;
  /** What drafts have saved; null where no sample began with one. */
  drafts: { samples: number; tokens: number; drafted: number } | null;
  lengths: { correct: Spread | null; incorrect: Spread | null } | null;
  /** Of the only run of a report. */
  bins: LengthBins | null;
  compute: {
    within: Rate & { questions: number };
    per_correct: number | null;
    budgets: BudgetPoint[];
  } | null;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

// What one of several servers has done for a run; "reason" is why it was not asked at the end.
export interface Replica {
  url: string;
  completions: number;
  tokens_per_second: number;
  reason: string;
}

export interface Run {
  id: string;
  label: string;
  model: string;
  created: string;
  finished: string | null;
  baseline: boolean;
  texts: boolean;
  lacking: string[];
  engine: string;
  method: string;
  costs: Record<string, number | null>;
  several: string;
  replicas: Replica[];
  suites: Record<string, SuiteFigures>;
}

// What the runs' manifests have in common, and the fields in which they differ, by run; null where
// a run does not have it.
export interface Settings {
  same: { [name: string]: Json };
  same_count: number;
  differ: { path: string[]; values: (string | null)[] }[];
  left_out: number;
}

export interface Ends {
  low: number | null;
  high: number | null;
}

export interface Change {
  baseline: number;
  candidate: number;
  worsening: number;
  interval: Ends;
}

export interface ComparedSuite {
  suite: string;
  questions: number;
  baseline_samples: number;
  candidate_samples: number;
  failed: Change;
  truncated: Change;
  looped: Change;
  tokens: {
    baseline_mean: number;
    candidate_mean: number;
    ratio: number | null;
    interval: Ends;
  } | null;
  p_adjusted: number;
  metric: string;
  score: Change | null;
}

export interface Gate {
  outcome: "ok" | "regressed" | "undecided" | "cannot-tell";
  reasons: string[];
  samples_needed: number | null;
}

// The same sentences as on the terminal; empty where there is nothing to say.
export interface GateWords {
  badge: string;
  meaning: string;
  warnings: string[];
  needs: string;
  helps: string;
  look: string;
  promise: string;
  given: string;
}

export interface EarlyStop {
  looked_at: number;
  samples: number;
  not_generated: number;
}

export interface Comparison {
  run: number;
  baseline_label: string;
  notes: string[];
  words: GateWords | null;
  figures: {
    baseline: { run_id: string; model: string };
    suites: ComparedSuite[];
    total: ComparedSuite;
    missing: { suite: string; question: string; side: "baseline" | "candidate" }[];
    gate: Gate | null;
    early_stop: EarlyStop | null;
  };
  directions: string;
  change_counts: Record<string, Record<string, number>>;
}

// Of every question: its kind's place in change_kinds, its size in points, and both rates in words.
export interface QuestionChanges {
  kind: (number | null)[];
  points: (number | null)[];
  said: (string | null)[];
}

export interface Table {
  suites: string[];
  suite: number[];
  id: string[];
  chunk: number[];
  slot: number[];
  brief: string[];
  expected: string[];
  runs: {
    result: (number | null)[];
    passes: (number | null)[];
    samples: (number | null)[];
    tokens: (number | null)[];
  }[];
  changes: Record<string, QuestionChanges>;
}

export interface KindPart {
  name: string;
  kind: string;
  share: number;
  interval: [number, number];
  token_share: number;
  tokens: number;
  per_token: number;
}

type Bounds = [number | null, number | null] | null;

// What one model has read of a run's traces; questions are in the table's order.
export interface RunReading {
  run: number;
  reader: string;
  reading_id: string;
  finished: boolean;
  candidate: number | null;
  exact: boolean;
  questions: number;
  traces: number;
  tokens: number;
  variation: Bounds;
  interval: Bounds;
  own_share: Bounds;
  texts: boolean;
  left_out: boolean;
  kinds: { kinds: KindPart[]; words: KindPart[] } | null;
  said: string[];
  by_question: { variation: Bounds[]; unwritten: (number | null)[]; loss: (number | null)[] };
}

// A trace by stretches: lengths in the text (n), tokens (c), total variation in percent (v) and its
// lower bound (w), and the stretches at which the reader would (t) and may turn (m).
export interface ShadedBy {
  reading: number;
  figure: "exact" | "estimated" | "bounded";
  tokens: number;
  left: number;
  s: Bounds;
  half: number | null;
  n: number[];
  c: number[];
  v: number[];
  w?: number[];
  t?: number[];
  m?: number[];
}

export interface ShadedRead {
  text: string;
  by: ShadedBy[];
}

export interface Report {
  created: string;
  lrmtest: string;
  level: number;
  threshold: number;
  results: string[];
  several_means: string;
  change_kinds: string[];
  suites: string[];
  runs: Run[];
  settings: Settings;
  comparisons: Comparison[];
  fronts: Record<string, Record<string, number[]>>;
  questions: Table;
  readings?: RunReading[];
}

export interface TextPart {
  text: string;
  loop?: string;
  times?: number;
  length?: number;
}

export interface Sample {
  sample: number;
  error?: string;
  reasoning?: TextPart;
  answer?: TextPart;
  finish?: string;
  finish_word?: string;
  reasoning_tokens?: number;
  answer_tokens?: number;
  estimated?: boolean;
  seconds?: number;
  seed?: number | null;
  result?: string;
  score?: number;
  extracted?: string | null;
  provisional?: string | null;
  metrics?: Record<string, number>;
  lenient?: boolean;
  read?: ShadedRead;
  // The tag that ended the reasoning; null where none did, missing where no tag marks reasoning.
  closed?: string | null;
  // Where the answer stands that was graded, or would have been, in UTF-16 units.
  graded?: { part: "reasoning" | "answer"; from: number; to: number };
}

export type Prompt = [string, string][];

export interface QuestionTexts {
  prompt: Prompt;
  references: string[];
  kind: string;
  runs: ({ samples: Sample[]; commands: string[]; prompt?: Prompt } | null)[];
}

export const ALL = "all suites";
