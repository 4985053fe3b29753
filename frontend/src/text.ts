// Long texts: typeset, folded in the middle, loops shown once, what two traces share set back, and
// what is looked for marked.

import { h } from "./dom";
import type { Finder, Span } from "./find";
import { counted, whole } from "./format";
import { type Piece, piecesOf } from "./marks";
import { Typesetter } from "./math";
import type { TextPart } from "./types";
import { textNodes } from "./words";

const FOLD_FROM = 7000;
const HEAD = 3500;
const TAIL = 2500;

export interface TextOptions {
  typeset: boolean;
  unfolded: boolean;
  // Where this text parts from the one beside it, in UTF-16 units.
  partsAt?: number;
  // The answer that was graded, and what to say of it.
  graded?: Span & { note: string };
  find?: Finder | null;
}

// A text on the page. Places that are folded away are unfolded when they are asked for.
export interface LongText {
  element: HTMLElement;
  hits: number;
  hit: (index: number) => HTMLElement | null;
  parts: () => HTMLElement | null;
  graded: () => HTMLElement | null;
  loop: HTMLElement | null;
}

interface Mark extends Span {
  classes: string;
  // Among the hits; -1 for what is none.
  hit: number;
}

// Spans of both kinds as stretches that do not overlap, in order.
function marksOf(hits: Span[], graded: Span | undefined): Mark[] {
  const found: Mark[] = [];
  let at = graded?.from ?? Infinity;
  const end = graded?.to ?? Infinity;
  const alone = (to: number) => {
    if (at < to) found.push({ from: at, to, classes: "graded", hit: -1 });
  };
  hits.forEach(({ from, to }, hit) => {
    alone(Math.min(from, end));
    // A hit is one stretch outside of the graded answer, and one inside of it.
    const cuts = [from, ...[graded?.from ?? from, end].filter((cut) => cut > from && cut < to), to];
    for (let index = 0; index + 1 < cuts.length; index++) {
      const [start, stop] = [cuts[index]!, cuts[index + 1]!];
      const inside = graded && start >= graded.from && stop <= graded.to;
      found.push({ from: start, to: stop, classes: inside ? "hit graded" : "hit", hit });
    }
    at = Math.max(at, Math.min(to, end));
  });
  alone(end);
  return found;
}

// One text's drawing: its pieces, of which any stretch can be drawn.
class Drawing {
  private readonly pieces: Piece[];
  private readonly typesetter = new Typesetter();
  // What shows each hit, as far as it was drawn, and the graded answer.
  readonly hits = new Map<number, HTMLElement>();
  graded: HTMLElement | null = null;

  constructor(private readonly text: string, private readonly options: TextOptions, private readonly marks: Mark[]) {
    this.pieces = piecesOf(text, options.typeset);
  }

  draw(from: number, to: number): Node[] {
    return this.nodes(this.pieces, from, to);
  }

  private nodes(pieces: Piece[], from: number, to: number): Node[] {
    const found: Node[] = [];
    for (const piece of pieces) {
      if (piece.to <= from) continue;
      if (piece.from >= to) break;
      found.push(...this.drawn(piece, from, to));
    }
    return found;
  }

  private drawn(piece: Piece, from: number, to: number): Node[] {
    const start = Math.max(piece.from, from);
    const stop = Math.min(piece.to, to);
    switch (piece.kind) {
      case "text": return this.leaf(start, stop);
      case "hidden": return this.within(start, stop).length ? this.leaf(start, stop) : [h("span", { hidden: true }, this.text.slice(start, stop))];
      case "math": return start > piece.from ? [] : this.formula(piece);
      case "strong": return [h("strong", {}, ...this.nodes(piece.inner!, from, to))];
      case "em": return [h("em", {}, ...this.nodes(piece.inner!, from, to))];
      case "code": return [h("code", {}, ...this.nodes(piece.inner!, from, to))];
      case "block": return [h("code", { class: "block" }, ...this.nodes(piece.inner!, from, to))];
      case "heading": return [h("strong", { class: "heading" }, ...this.nodes(piece.inner!, from, to))];
      case "rule": return [h("span", { class: "rule" }, ...this.nodes(piece.inner!, from, to))];
      default: return [h("span", { class: `${piece.kind} in${piece.level}` }, ...this.nodes(piece.inner!, from, to))];
    }
  }

  // A formula belongs to the stretch in which it begins.
  private formula(piece: Piece): Node[] {
    const source = this.text.slice(piece.from, piece.to);
    const element = this.typesetter.typeset(piece.tex!, piece.display!, source);
    if (!element) return this.leaf(piece.from, piece.to);
    const marks = this.within(piece.from, piece.to);
    return marks.length ? this.marked(marks, piece.to, [element]) : [element];
  }

  private leaf(from: number, to: number): Node[] {
    const found: Node[] = [];
    let at = from;
    for (const mark of this.within(from, to)) {
      const start = Math.max(mark.from, from);
      const stop = Math.min(mark.to, to);
      if (start > at) found.push(...textNodes(this.text.slice(at, start)));
      found.push(...this.marked([mark], stop, textNodes(this.text.slice(start, stop))));
      at = stop;
    }
    if (at < to) found.push(...textNodes(this.text.slice(at, to)));
    return found;
  }

  // What ends at `to`, as an element that shows its marks.
  private marked(marks: Mark[], to: number, content: Node[]): Node[] {
    const classes = new Set(marks.flatMap((mark) => mark.classes.split(" ")));
    const element = h("mark", { class: [...classes].join(" "), tabindex: -1 }, ...content);
    for (const { hit } of marks) if (hit >= 0 && !this.hits.has(hit)) this.hits.set(hit, element);
    if (!classes.has("graded")) return [element];
    this.graded ??= element;
    const ends = this.options.graded!.to <= to;
    return ends ? [element, h("span", { class: "graded-note" }, this.options.graded!.note)] : [element];
  }

  private within(from: number, to: number): Mark[] {
    let low = 0;
    let high = this.marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.marks[middle]!.to > from) high = middle;
      else low = middle + 1;
    }
    const found: Mark[] = [];
    for (; low < this.marks.length && this.marks[low]!.from < to; low++) found.push(this.marks[low]!);
    return found;
  }
}

// The nearest line end before (or after) an offset, if there is one close by.
function lineEnd(text: string, offset: number, forward: boolean): number {
  const found = forward ? text.indexOf("\n", offset) : text.lastIndexOf("\n", offset);
  return found >= 0 && Math.abs(found - offset) < 400 ? found + 1 : offset;
}

export function longText(part: TextPart, options: TextOptions): LongText {
  const { text } = part;
  const hits = options.find?.(text) ?? [];
  const drawing = new Drawing(text, options, marksOf(hits, options.graded));
  const partsAt = options.partsAt !== undefined && options.partsAt <= text.length ? options.partsAt : -1;
  const pieces = (from: number, to: number): Node[] => {
    if (partsAt < from) return drawing.draw(from, to);
    const nodes: Node[] = partsAt > from ? [h("span", { class: "shared" }, ...drawing.draw(from, Math.min(partsAt, to)))] : [];
    if (partsAt < to || (partsAt === to && to === text.length)) {
      nodes.push(h("span", { class: "parts", role: "note", tabindex: -1 }, "from here on they differ"), ...drawing.draw(partsAt, to));
    }
    return nodes;
  };

  const body = h("div", { class: "text" });
  let unfold: (() => void) | null = null;
  let folded: Span = { from: text.length, to: text.length };
  if (text.length <= FOLD_FROM || options.unfolded) {
    body.append(...pieces(0, text.length));
  } else {
    let head = lineEnd(text, HEAD, false);
    const tail = lineEnd(text, text.length - TAIL, true);
    // Where the traces part is what one looks for: it is never folded away.
    if (partsAt > head - 200 && partsAt < tail) head = Math.min(tail, lineEnd(text, partsAt + 1500, false));
    if (tail - head < 500) head = tail;
    body.append(...pieces(0, head));
    if (head < tail) {
      folded = { from: head, to: tail };
      const button = h("button", { class: "fold", type: "button", click: () => unfold?.() }, `Show ${whole(tail - head)} more characters`);
      unfold = () => {
        unfold = null;
        button.replaceWith(...pieces(head, tail));
      };
      body.append(button);
    }
    body.append(...pieces(tail, text.length));
  }
  const loop = loopOf(part, options);
  if (loop) body.append(loop.element);
  if (!text && !loop) body.append(h("span", { class: "quiet" }, "nothing"));

  const unfolded = (span: Span | undefined) => {
    if (span && span.to > folded.from && span.from < folded.to) unfold?.();
  };
  return {
    element: body,
    hits: hits.length + (loop?.hits ?? 0),
    hit: (index) => {
      unfolded(hits[index]);
      return drawing.hits.get(index) ?? loop?.drawing.hits.get(index - hits.length) ?? null;
    },
    parts: () => body.querySelector<HTMLElement>(".parts"),
    graded: () => {
      unfolded(options.graded);
      return drawing.graded;
    },
    loop: loop?.element ?? null,
  };
}

// The loop that a text ends in, once.
function loopOf(part: TextPart, options: TextOptions): { element: HTMLElement; hits: number; drawing: Drawing } | null {
  if (part.loop === undefined) return null;
  const hits = options.find?.(part.loop) ?? [];
  const drawing = new Drawing(part.loop, options, marksOf(hits, undefined));
  const element = h("div", { class: "loop", tabindex: -1 },
    h("div", { class: "loop-note" },
      `from here on repeated ${counted(part.times ?? 0, "time")}`,
      h("span", { class: "quiet" }, `, ${whole(part.length ?? 0)} characters in all`)),
    h("div", {}, ...drawing.draw(0, part.loop.length)));
  return { element, hits: hits.length, drawing };
}

// A short text, typeset; `tex`: the whole of it may be TeX without delimiters.
export function shortText(text: string, typeset: boolean, tex = false): Node[] {
  const formula = typeset && tex && /[\\^_]/.test(text) ? new Typesetter().typeset(text, false, text) : null;
  if (formula) return [formula];
  return new Drawing(text, { typeset, unfolded: true }, []).draw(0, text.length);
}
