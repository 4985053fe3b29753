// Mathematics inside model output, typeset as MathML: no fonts, no markup, no styles.
//
// Only what stands between delimiters is read as TeX. KaTeX parses it into a tree of its own, and
// of that tree only known elements with known attributes become part of the page.

import katex from "katex";
import { textNodes } from "./words";

interface Tree {
  type?: string;
  attributes?: Record<string, string>;
  children?: Tree[];
  text?: string;
  width?: number;
}

const MATHML = "http://www.w3.org/1998/Math/MathML";
const LONGEST = 2000;
const MOST = 400;
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

function build(tree: Tree): Node[] {
  if (tree.text !== undefined && !tree.children) return [document.createTextNode(tree.text)];
  // A space is a node of its own kind; its width is in em.
  if (!tree.children && tree.width !== undefined) {
    const space = document.createElementNS(MATHML, "mspace");
    if (Math.abs(tree.width) <= WIDEST) space.setAttribute("width", `${tree.width}em`);
    return [space];
  }
  const children = tree.children ?? [];
  const type = tree.type ?? "";
  if (type === "annotation") return [];
  if (!ELEMENTS.has(type)) return children.flatMap(build);
  const element = document.createElementNS(MATHML, type);
  for (const [name, value] of Object.entries(tree.attributes ?? {})) {
    const known = WORDS.has(name) && value.length < 200;
    if (known || (LENGTHS.has(name) && length(value))) element.setAttribute(name, value);
  }
  // A box is drawn by the style sheet: browsers have dropped <menclose>.
  if (type === "menclose") element.setAttribute("class", "boxed");
  element.append(...children.flatMap(build));
  return [element];
}

function typeset(tex: string, display: boolean): Node | null {
  if (tex.length > LONGEST || !tex.trim()) return null;
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
    });
    const wrapper = document.createElement("span");
    wrapper.className = display ? "tex display" : "tex";
    wrapper.title = tex;
    wrapper.append(...build(tree));
    return wrapper;
  } catch {
    return null; // Not TeX after all, or broken: it stays as it was written.
  }
}

// Delimited TeX. In $...$ no space may follow the first or precede the last dollar, nor a digit
// follow it, so that prices stay prices. A bare \boxed{...} is what models give as their answer.
const DELIMITED =
  /\$\$([^$]{1,2000}?)\$\$|\\\[([^\0]{1,2000}?)\\\]|\\\(([^\0]{1,2000}?)\\\)|\$(?![\s$])([^$\n]{1,500}?)(?<![\s\\])\$(?!\d)|(\\boxed\{(?=[^}])(?:[^{}\n]|\{(?:[^{}\n]|\{[^{}\n]*\})*\})*\})/g;

// A text as nodes, its mathematics typeset if `on`.
export function withMath(text: string, on: boolean): Node[] {
  if (!on) return textNodes(text);
  const nodes: Node[] = [];
  let position = 0;
  let found = 0;
  for (const match of text.matchAll(DELIMITED)) {
    if (++found > MOST) break;
    const [whole, dollars, brackets, parentheses, dollar, boxed] = match;
    const display = dollars !== undefined || brackets !== undefined;
    const node = typeset(dollars ?? brackets ?? parentheses ?? dollar ?? boxed ?? "", display);
    if (!node) continue;
    if (match.index > position) nodes.push(...textNodes(text.slice(position, match.index)));
    nodes.push(node);
    position = match.index + whole.length;
  }
  nodes.push(...textNodes(text.slice(position)));
  return nodes;
}
