// Searching all texts of a report: a chunk at a time, so that the page stays at hand.

import { readChunk } from "./data";
import { addressOf, type Filter, visibleRows } from "./filter";
import { type Finder, finder, type Place, placesOf, type Span } from "./find";
import type { Report } from "./types";

export interface Hit {
  place: Place;
  // The text around, and where in it the hits are.
  text: string;
  spans: Span[];
}

export interface Found {
  row: number;
  hits: Hit[];
  // In all of the question's texts, those not shown among them.
  total: number;
}

// Of a question's places that are shown; of questions found until it is asked for more.
const SHOWN = 3;
const QUESTIONS = 100;
const AROUND = 90;
const SLICE = 25;

export class Search {
  readonly found: Found[] = [];
  readonly questions: number;
  hits = 0;
  done = 0;
  state: "searching" | "stopped" | "enough" | "over" | "failed" = "stopped";
  failure = "";
  private readonly parts: { chunk: number; rows: number[] }[] = [];
  private at = 0;

  constructor(private readonly report: Report, rows: number[], readonly key: string, private readonly find: Finder) {
    const byChunk = new Map<number, number[]>();
    for (const row of [...rows].sort((a, b) => a - b)) {
      const chunk = report.questions.chunk[row] ?? -1;
      if (chunk < 0) continue;
      const known = byChunk.get(chunk);
      if (known) known.push(row);
      else byChunk.set(chunk, [row]);
    }
    for (const [chunk, of] of byChunk) this.parts.push({ chunk, rows: of });
    this.parts.sort((a, b) => a.chunk - b.chunk);
    this.questions = this.parts.reduce((sum, part) => sum + part.rows.length, 0);
  }

  // Goes on until there is nothing left, enough has been found, or it is stopped.
  async run(changed: () => boolean): Promise<void> {
    if (this.state === "searching" || this.state === "over") return;
    this.state = "searching";
    const enough = this.found.length + QUESTIONS;
    let since = performance.now();
    try {
      while (this.at < this.parts.length && this.state === "searching") {
        const part = this.parts[this.at]!;
        const texts = await readChunk(part.chunk, false);
        for (const row of part.rows) {
          const one = texts[this.report.questions.slot[row] ?? 0];
          const found = one && this.lookedAt(row, one);
          if (found) this.found.push(found);
          if (performance.now() - since > SLICE) {
            await new Promise((resolve) => setTimeout(resolve));
            since = performance.now();
          }
        }
        this.at += 1;
        this.done += part.rows.length;
        if (this.found.length >= enough) this.state = "enough";
        // Nobody looks any more: it is gone on with when somebody does again.
        if (!changed()) this.state = "stopped";
      }
      if (this.at >= this.parts.length) this.state = "over";
    } catch (error) {
      this.state = "failed";
      this.failure = error instanceof Error ? error.message : String(error);
    }
    changed();
  }

  stop(): void {
    if (this.state === "searching") this.state = "stopped";
  }

  private lookedAt(row: number, texts: Parameters<typeof placesOf>[0]): Found | null {
    const hits: Hit[] = [];
    let total = 0;
    for (const place of placesOf(texts)) {
      const spans = this.find(place.text);
      total += spans.length;
      const [first] = spans;
      if (first && hits.length < SHOWN) hits.push(around(place, first, spans));
    }
    this.hits += total;
    return total ? { row, hits, total } : null;
  }
}

function around(place: Place, first: Span, spans: Span[]): Hit {
  const from = Math.max(0, first.from - AROUND);
  const to = Math.min(place.text.length, first.to + AROUND);
  const inside = spans.filter((span) => span.to <= to);
  return {
    place: { ...place, text: "" },
    text: (from > 0 ? "\u2026" : "") + place.text.slice(from, to) + (to < place.text.length ? "\u2026" : ""),
    spans: inside.map((span) => ({ from: span.from - from + Number(from > 0), to: span.to - from + Number(from > 0) })),
  };
}

// The last one is kept, so that one comes back from a question to what was found.
let last: Search | null = null;

function keyOf(needle: string, filter: Filter): string {
  return `${needle.trim()}\0${addressOf(filter)}`;
}

// A search for a text in the questions of a list; null when there is nothing to look for.
export function searchFor(report: Report, needle: string, filter: Filter): Search | null {
  const key = keyOf(needle, filter);
  if (last?.key === key) return last;
  last?.stop();
  const find = finder(needle);
  last = find && new Search(report, visibleRows(report, filter), key, find);
  return last;
}

// The questions that the last search found, if it was this one.
export function foundRows(needle: string, filter: Filter): number[] | null {
  return needle && last?.key === keyOf(needle, filter) ? last.found.map((one) => one.row) : null;
}

export function searchAddress(needle: string, filter: Filter): string {
  const parameters = new URLSearchParams(addressOf(filter).split("?", 2)[1] ?? "");
  if (needle) parameters.set("find", needle);
  const text = parameters.toString();
  return text ? `#/search?${text}` : "#/search";
}
