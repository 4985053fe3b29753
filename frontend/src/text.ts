// Long texts: folded in the middle, loops shown once, what two traces share set back.

import { h } from "./dom";
import { counted, whole } from "./format";
import { withMath } from "./math";
import type { TextPart } from "./types";

const FOLD_FROM = 7000;
const HEAD = 3500;
const TAIL = 2500;

export interface TextOptions {
  math: boolean;
  unfolded: boolean;
  // Where this text parts from the one beside it, in UTF-16 units.
  partsAt?: number;
}

// The nearest line end before (or after) an offset, if there is one close by.
function lineEnd(text: string, offset: number, forward: boolean): number {
  const found = forward ? text.indexOf("\n", offset) : text.lastIndexOf("\n", offset);
  return found >= 0 && Math.abs(found - offset) < 400 ? found + 1 : offset;
}

function pieces(text: string, from: number, to: number, options: TextOptions): Node[] {
  const at = options.partsAt ?? 0;
  if (at <= from || at > text.length) return withMath(text.slice(from, to), options.math);
  const nodes: Node[] = [
    h("span", { class: "shared" }, ...withMath(text.slice(from, Math.min(at, to)), options.math)),
  ];
  if (at < to || (at === to && to === text.length)) {
    nodes.push(
      h("span", { class: "parts", role: "note", tabindex: -1 }, "from here on they differ"),
      ...withMath(text.slice(at, to), options.math),
    );
  }
  return nodes;
}

export function longText(part: TextPart, options: TextOptions): HTMLElement {
  const { text } = part;
  const body = h("div", { class: "text" });
  if (text.length <= FOLD_FROM || options.unfolded) {
    body.append(...pieces(text, 0, text.length, options));
  } else {
    let head = lineEnd(text, HEAD, false);
    const tail = lineEnd(text, text.length - TAIL, true);
    // Where the traces part is what one looks for: it is never folded away.
    const at = options.partsAt ?? 0;
    if (at > head - 200 && at < tail) head = Math.min(tail, lineEnd(text, at + 1500, false));
    if (tail - head < 500) head = tail;
    body.append(...pieces(text, 0, head, options));
    if (head < tail) {
      const unfold = h(
        "button",
        {
          class: "fold",
          type: "button",
          click: () => unfold.replaceWith(...pieces(text, head, tail, options)),
        },
        `Show ${whole(tail - head)} more characters`,
      );
      body.append(unfold);
    }
    body.append(...pieces(text, tail, text.length, options));
  }
  if (part.loop !== undefined) {
    body.append(
      h(
        "div",
        { class: "loop" },
        h(
          "div",
          { class: "loop-note" },
          `repeated ${counted(part.times ?? 0, "time")}`,
          h("span", { class: "quiet" }, `, ${whole(part.length ?? 0)} characters in all`),
        ),
        h("div", {}, ...withMath(part.loop, options.math)),
      ),
    );
  }
  if (!text && part.loop === undefined) body.append(h("span", { class: "quiet" }, "nothing"));
  return body;
}
