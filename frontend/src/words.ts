// Text nodes that browsers lay out in linear time.
//
// A word of many thousand characters takes them time that grows with its square. Places where it
// may be broken end that; they are elements, so that a copied text has nothing added to it.

const LONG = /\S{300}/;
const EVERY = 100;

export function textNodes(text: string): Node[] {
  if (!LONG.test(text)) return [document.createTextNode(text)];
  const nodes: Node[] = [];
  let from = 0;
  while (from < text.length) {
    let to = Math.min(text.length, from + EVERY);
    const code = text.charCodeAt(to - 1);
    if (code >= 0xd800 && code <= 0xdbff) to++; // Never between the two halves of a character.
    nodes.push(document.createTextNode(text.slice(from, to)));
    if (to < text.length && /\S/.test(text[to]!) && /\S/.test(text[to - 1]!)) {
      nodes.push(document.createElement("wbr"));
    }
    from = to;
  }
  return nodes;
}
