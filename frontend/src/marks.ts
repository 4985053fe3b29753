// What of a text is typeset: mathematics, and the little Markdown that models write.
//
// A text is cut into pieces that hold every one of its characters, each once: what is not
// understood is a piece of text as it was written. Emphasis and code end on their line, every
// search for an end is bounded, and nothing nests but emphasis: the time is linear in the text.

export interface Piece {
  kind: "text" | "hidden" | "math" | "code" | "block" | "strong" | "em" | "heading" | "item" | "bullet" | "rule";
  from: number;
  to: number;
  inner?: Piece[];
  // Of mathematics; `display` is on lines of its own. Of items: how far in.
  tex?: string;
  display?: boolean;
  level?: number;
}

const DISPLAY = 4000;
const INLINE = 500;
const EMPHASIS = 2000;
// Of a line, to see what it begins with.
const LINE = 400;
const ENVIRONMENT = /\\begin\{((?:align|alignat|equation|gather|multline)\*?|aligned|gathered|split|cases|array|[pbvBV]?matrix)\}/y;
const FENCE = /^ {0,3}```+[^`]*$/;
const CLOSING = /^ {0,3}```+ *$/gm;
const HEADING = /^ {0,3}(#{1,6}) +(?=\S)/;
const ITEM = /^( {0,12})([-*+]|\d{1,3}[.)]) +(?=\S)/;
const RULE = /^ {0,3}(-{3,}|\*{3,}|_{3,}) *$/;
const WORD = /[A-Za-z0-9]/;
const COMMAND = /\\[A-Za-z]{2}/;
const SPACE = /\s/;
const ESCAPED = /[\\$*`]/;
const REST = / {0,20}\n/y;
const STARTS = /[$\\`*\n]/g;

interface Opened {
  length: number;
  from: number;
  // Its place among the pieces of the line.
  place: number;
}

class Reader {
  // Where a closing that was looked for stands next, so that no stretch is searched twice.
  private readonly ahead = new Map<string, { from: number; at: number }>();
  // Where lines begin that may close a fence, and the next of them.
  private fences: number[] | null = null;
  private fence = 0;

  constructor(private readonly text: string) {}

  read(): Piece[] {
    const { text } = this;
    const found: Piece[] = [];
    let at = 0;
    while (at < text.length) {
      const end = this.lineEnd(at);
      const line = text.slice(at, Math.min(end, at + LINE));
      const fence = end - at < LINE && FENCE.test(line);
      const close = fence ? this.fenceEnd(end + 1) : -1;
      if (close >= 0) {
        const last = this.lineEnd(close);
        found.push({ kind: "block", from: at, to: Math.min(last + 1, text.length), inner: [
          { kind: "hidden", from: at, to: Math.min(end + 1, text.length) },
          { kind: "text", from: Math.min(end + 1, close), to: close },
          { kind: "hidden", from: close, to: Math.min(last + 1, text.length) },
        ] });
        at = last + 1;
        continue;
      }
      at = this.readLine(at, end, line, found);
    }
    return found;
  }

  // Reads a line, with the line end; more than one where mathematics goes on. Gives where it ended.
  private readLine(at: number, end: number, line: string, found: Piece[]): number {
    if (end - at < LINE && RULE.test(line)) {
      const to = Math.min(end + 1, this.text.length);
      found.push({ kind: "rule", from: at, to, inner: [{ kind: "hidden", from: at, to }] });
      return end + 1;
    }
    const heading = HEADING.exec(line);
    const item = heading ? null : ITEM.exec(line);
    const start = at + ((heading ?? item)?.[0].length ?? 0);
    const inner: Piece[] = [];
    const reached = this.inline(start, inner);
    if (heading) {
      inner.unshift({ kind: "hidden", from: at, to: start });
      found.push({ kind: "heading", from: at, to: reached, inner });
    } else if (item) {
      const indent = item[1]!.length;
      const bullet = !/\d/.test(item[2]!);
      if (bullet) inner.unshift({ kind: "hidden", from: at, to: start });
      else inner.unshift(...(indent ? [{ kind: "hidden" as const, from: at, to: at + indent }] : []), { kind: "text", from: at + indent, to: start });
      found.push({ kind: bullet ? "bullet" : "item", from: at, to: reached, inner, level: Math.min(4, Math.floor(indent / 2)) });
    } else found.push(...inner);
    return reached;
  }

  // What stands in a line from `at` on, up to and with its line end.
  private inline(at: number, found: Piece[]): number {
    const { text } = this;
    const opened: Opened[] = [];
    let from = at;
    const flush = (to: number) => {
      if (to > from) found.push({ kind: "text", from, to });
    };
    for (;;) {
      STARTS.lastIndex = at;
      const next = STARTS.exec(text);
      if (!next) {
        flush(text.length);
        return text.length;
      }
      at = next.index;
      if (next[0] === "\n") {
        flush(at + 1);
        return at + 1;
      }
      if (next[0] === "*") {
        let to = at + 1;
        while (text[to] === "*") to++;
        if (to - at <= 3 && this.emphasis(at, to, opened, found, flush)) from = to;
        at = to;
        continue;
      }
      const piece = next[0] === "`" ? this.code(at) : this.math(at);
      if (piece) {
        flush(at);
        found.push(piece);
        at = from = piece.to;
        // Mathematics over several lines ends the emphasis of the line before.
        if (piece.kind === "math" && text.slice(piece.from, piece.to).includes("\n")) opened.length = 0;
        // It stands on lines of its own: the end of its line would be an empty one.
        REST.lastIndex = at;
        if (piece.display && REST.test(text)) {
          found.push({ kind: "hidden", from: at, to: REST.lastIndex });
          return REST.lastIndex;
        }
      } else if (next[0] === "`") while (text[at] === "`") at++;
      else if (next[0] === "$") while (text[at] === "$") at++;
      else at += ESCAPED.test(text[at + 1] ?? "") ? 2 : 1;
    }
  }

  // Asterisks from `at` to `to`: whether they open or close emphasis, which ends on its line.
  private emphasis(at: number, to: number, opened: Opened[], found: Piece[], flush: (to: number) => void): boolean {
    const { text } = this;
    const before = text[at - 1] ?? "\n";
    const behind = text[to] ?? "\n";
    const length = to - at;
    const place = opened.findLastIndex((one) => one.length === length);
    if (place >= 0 && !SPACE.test(before) && !WORD.test(behind)) {
      const open = opened[place]!;
      if (at - open.from <= EMPHASIS && at > open.from + length) {
        flush(at);
        const inner = found.splice(open.place);
        inner[0] = { kind: "hidden", from: open.from, to: open.from + length };
        inner.push({ kind: "hidden", from: at, to });
        found.push(length === 3
          ? { kind: "strong", from: open.from, to, inner: [{ kind: "em", from: open.from, to, inner }] }
          : { kind: length === 2 ? "strong" : "em", from: open.from, to, inner });
        opened.length = place;
        return true;
      }
    }
    if (SPACE.test(behind) || WORD.test(before)) return false;
    // One that was opened in vain stays text.
    if (place >= 0) opened.length = place;
    flush(at);
    opened.push({ length, from: at, place: found.length });
    found.push({ kind: "text", from: at, to });
    return true;
  }

  private code(at: number): Piece | null {
    const to = this.text.indexOf("`", at + 1);
    if (to < 0 || to === at + 1 || to - at > INLINE) return null;
    const inner = this.text.slice(at + 1, to);
    if (inner.includes("\n") || !inner.trim() || this.text[to + 1] === "`") return null;
    return { kind: "code", from: at, to: to + 1, inner: [
      { kind: "hidden", from: at, to: at + 1 }, { kind: "text", from: at + 1, to }, { kind: "hidden", from: to, to: to + 1 },
    ] };
  }

  private math(at: number): Piece | null {
    const { text } = this;
    if (text[at] === "$") return text[at + 1] === "$" ? this.dollars(at) : this.dollar(at);
    switch (text[at + 1]) {
      case "[": return this.between(at, "\\]", true);
      case "(": return this.between(at, "\\)", false);
      case "b": return text.startsWith("boxed{", at + 1) ? this.boxed(at) : this.environment(at);
      default: return null;
    }
  }

  private dollars(at: number): Piece | null {
    const to = this.next("$$", at + 2);
    if (to < 0 || to === at + 2 || to - at > DISPLAY) return null;
    return { kind: "math", from: at, to: to + 2, tex: this.text.slice(at + 2, to), display: true };
  }

  // No space may follow the first or precede the last dollar, unless there are commands between
  // them, nor a digit follow it, so that prices stay prices.
  private dollar(at: number): Piece | null {
    const all = this.text;
    let to = at;
    do to = this.next("$", to + 1);
    while (to > 0 && to - at <= INLINE && all[to - 1] === "\\");
    if (to < 0 || to - at > INLINE || /\d/.test(all[to + 1] ?? "")) return null;
    const tex = all.slice(at + 1, to);
    const spaced = SPACE.test(tex[0] ?? " ") || SPACE.test(all[to - 1]!);
    return tex.includes("\n") || (spaced && !COMMAND.test(tex)) ? null : { kind: "math", from: at, to: to + 1, tex, display: false };
  }

  private between(at: number, closing: string, display: boolean): Piece | null {
    const to = this.next(closing, at + 2);
    if (to < 0 || to === at + 2 || to - at > DISPLAY) return null;
    return { kind: "math", from: at, to: to + 2, tex: this.text.slice(at + 2, to), display };
  }

  // A bare box is what models give as their answer.
  private boxed(at: number): Piece | null {
    let depth = 0;
    const last = Math.min(this.text.length, at + INLINE);
    for (let to = at + 6; to < last; to++) {
      const one = this.text[to];
      if (one === "\n") return null;
      if (one === "\\") to++;
      else if (one === "{") depth++;
      else if (one === "}" && --depth === 0) {
        return to > at + 7 ? { kind: "math", from: at, to: to + 1, tex: this.text.slice(at, to + 1), display: false } : null;
      }
    }
    return null;
  }

  private environment(at: number): Piece | null {
    ENVIRONMENT.lastIndex = at;
    const name = ENVIRONMENT.exec(this.text)?.[1];
    if (!name) return null;
    const closing = `\\end{${name}}`;
    const to = this.next(closing, at);
    if (to < 0 || to - at > DISPLAY) return null;
    const end = to + closing.length;
    return { kind: "math", from: at, to: end, tex: this.text.slice(at, end), display: true };
  }

  private lineEnd(at: number): number {
    const end = this.next("\n", at);
    return end < 0 ? this.text.length : end;
  }

  // Where the line begins that closes a fence opened before `from`; -1 where none does.
  private fenceEnd(from: number): number {
    this.fences ??= Array.from(this.text.matchAll(CLOSING), (one) => one.index);
    while ((this.fences[this.fence] ?? Infinity) < from) this.fence++;
    return this.fences[this.fence] ?? -1;
  }

  private next(what: string, from: number): number {
    const known = this.ahead.get(what);
    if (known && known.from <= from && (known.at < 0 || from <= known.at)) return known.at;
    const at = this.text.indexOf(what, from);
    this.ahead.set(what, { from, at });
    return at;
  }
}

// A text's pieces; one piece of text where nothing is to be typeset.
export function piecesOf(text: string, typeset: boolean): Piece[] {
  if (typeset) return new Reader(text).read();
  return text ? [{ kind: "text", from: 0, to: text.length }] : [];
}
