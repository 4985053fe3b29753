// Reading what the file holds: base64 of zlib-compressed JSON.

import type { QuestionTexts, Report } from "./types";

function decoded(id: string): Uint8Array<ArrayBuffer> {
  const holder = document.getElementById(id);
  if (!holder) throw new Error(`the file lacks its part ${id}: it was cut off`);
  const binary = atob(holder.textContent ?? "");
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

async function unpack<T>(id: string): Promise<T> {
  const bytes = decoded(id);
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

// A part of the file that is no JSON, as it is.
export async function bytesOf(id: string): Promise<Uint8Array<ArrayBuffer>> {
  await loaded;
  return decoded(id);
}

// The chunks opened last; a few are enough to go back and forth between neighbours.
const KEPT = 4;
const opened = new Map<number, Promise<QuestionTexts[]>>();

// A chunk's texts; `keep` it at hand, as a reader may come back to it.
export async function readChunk(number: number, keep: boolean): Promise<QuestionTexts[]> {
  const known = opened.get(number);
  if (known) return known;
  await loaded;
  const chunk = unpack<QuestionTexts[]>(`chunk-${number}`);
  if (keep) {
    opened.set(number, chunk);
    for (const oldest of opened.keys()) {
      if (opened.size <= KEPT) break;
      opened.delete(oldest);
    }
  }
  return chunk;
}

// A question's texts; null when the report has none of it.
export async function readTexts(report: Report, row: number): Promise<QuestionTexts | null> {
  const number = report.questions.chunk[row] ?? -1;
  if (number < 0) return null;
  return (await readChunk(number, true))[report.questions.slot[row] ?? 0] ?? null;
}
