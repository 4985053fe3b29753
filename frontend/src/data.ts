// Reading what the file holds: base64 of zlib-compressed JSON.

import type { QuestionTexts, Report } from "./types";

async function unpack<T>(id: string): Promise<T> {
  const holder = document.getElementById(id);
  if (!holder) throw new Error(`the file lacks its part ${id}: it was cut off`);
  const binary = atob(holder.textContent ?? "");
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text()) as T;
}

// What is looked up by a suite's name must not find what every object has, such as "constructor".
function bare(table: object): void {
  Object.setPrototypeOf(table, null);
}

export async function readReport(): Promise<Report> {
  const report = await unpack<Report>("index");
  bare(report.fronts);
  for (const run of report.runs) {
    bare(run.suites);
    for (const figures of Object.values(run.suites)) {
      bare(figures.counts);
      if (figures.bins) bare(figures.bins.counts);
    }
  }
  for (const one of report.comparisons) bare(one.change_counts);
  return report;
}

const loaded = new Promise<void>((resolve) => {
  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", () => resolve(), { once: true });
  } else resolve();
});

// The chunks opened last; a few are enough to go back and forth between neighbours.
const KEPT = 4;
const opened = new Map<number, Promise<QuestionTexts[]>>();

// A question's texts; null when the report has none of it.
export async function readTexts(report: Report, row: number): Promise<QuestionTexts | null> {
  const number = report.questions.chunk[row] ?? -1;
  if (number < 0) return null;
  let chunk = opened.get(number);
  if (!chunk) {
    await loaded;
    chunk = unpack<QuestionTexts[]>(`chunk-${number}`);
    opened.set(number, chunk);
    for (const oldest of opened.keys()) {
      if (opened.size <= KEPT) break;
      opened.delete(oldest);
    }
  }
  return (await chunk)[report.questions.slot[row] ?? 0] ?? null;
}
