// Mathematics inside model output, typeset as MathML: no markup, no styles.
//
// KaTeX parses TeX into a tree of its own, and of that tree only known elements with known
// attributes become part of the page.

import katex from "katex";
import { useMathFont } from "./font";
import { alphabet } from "./letters";

interface Tree {
  type?: string;
  attributes?: Record<string, string>;
  children?: Tree[];
  text?: string;
  width?: number;
}

const MATHML = "http://www.w3.org/1998/Math/MathML";
const WIDEST = 5;

const ELEMENTS = new Set([
  "math", "mtext", "mn", "mo", "mi", "mspace", "mover", "munder", "munderover", "msup", "msub",
  "msubsup", "mfrac", "mroot", "msqrt", "mtable", "mtr", "mtd", "mrow", "menclose", "mstyle",
  "mpadded", "mphantom",
]);
const WORDS = new Set([
  "accent", "accentunder", "columnalign", "columnlines", "columnspacing", "display",
  "displaystyle", "fence", "frame", "largeop", "linethickness", "mathvariant", "maxsize",
  "minsize", "notation", "rowlines", "rowspacing", "scriptlevel", "separator", "stretchy",
]);
const LENGTHS = new Set(["width", "height", "depth", "lspace", "rspace"]);

function length(value: string): boolean {
  const match = /^[+-]?(\d*\.?\d+)em$/.exec(value);
  return match !== null && Number(match[1]) <= WIDEST;
}

// `letters` maps what a text is made of, where its element asks for another alphabet: browsers
// know the upright one alone.
function build(tree: Tree, letters: (text: string) => string): Node[] {
  if (tree.text !== undefined && !tree.children) return [document.createTextNode(letters(tree.text))];
  // A space is a node of its own kind; its width is in em.
  if (!tree.children && tree.width !== undefined) {
    const space = document.createElementNS(MATHML, "mspace");
    if (Math.abs(tree.width) <= WIDEST) space.setAttribute("width", `${tree.width}em`);
    return [space];
  }
  const type = tree.type ?? "";
  if (type === "annotation") return [];
  const variant = alphabet(tree.attributes?.["mathvariant"] ?? "");
  const children = (tree.children ?? []).flatMap((child) => build(child, variant ?? letters));
  if (!ELEMENTS.has(type)) return children;
  const element = document.createElementNS(MATHML, type);
  for (const [name, value] of Object.entries(tree.attributes ?? {})) {
    if (name === "mathvariant" && variant) continue;
    const known = WORDS.has(name) && value.length < 200;
    if (known || (LENGTHS.has(name) && length(value))) element.setAttribute(name, value);
  }
  // A box is drawn by the style sheet: browsers have dropped <menclose>.
  if (type === "menclose") element.setAttribute("class", "boxed");
  element.append(...children);
  return [element];
}

// Of one text: so many formulas of so many characters in all.
const MOST = 2000;
const CHARACTERS = 200_000;

// Typesets the formulas of one text, as far as its bounds allow; the rest stays as written.
export class Typesetter {
  private readonly made = new Map<string, HTMLElement | null>();
  private left = MOST;
  private room = CHARACTERS;

  // TeX as an element with `source` as its title; null where it is not understood.
  typeset(tex: string, display: boolean, source: string): HTMLElement | null {
    const known = this.made.get(source);
    if (known !== undefined) return known && (known.cloneNode(true) as HTMLElement);
    if (!tex.trim() || this.left <= 0 || this.room < tex.length) return null;
    this.left -= 1;
    this.room -= tex.length;
    const element = typeset(tex, display, source);
    this.made.set(source, element);
    return element;
  }
}

function typeset(tex: string, display: boolean, source: string): HTMLElement | null {
  const { __renderToDomTree: render } = katex as unknown as {
    __renderToDomTree: (tex: string, options: object) => Tree;
  };
  try {
    const tree = render(tex, {
      displayMode: display,
      output: "mathml",
      throwOnError: true,
      strict: "ignore",
      trust: false,
      maxExpand: 200,
      maxSize: WIDEST,
      // What models write and KaTeX does not know; it must be a new one each time.
      macros: { "\\mbox": "\\text{#1}", "\\cancelto": "\\cancel{#2}" },
    });
    const wrapper = document.createElement("span");
    wrapper.className = display ? "tex display" : "tex";
    wrapper.title = source;
    wrapper.append(...build(tree, (text) => text));
    useMathFont();
    return wrapper;
  } catch {
    return null; // Not TeX after all, or broken: it stays as it was written.
  }
}
