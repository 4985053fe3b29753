// Where two texts part, by words; white space between words does not count.

export interface Parting {
  words: number;
  left: number;
  right: number;
}

const WORD = /\S+/g;

export function parting(left: string, right: string): Parting | null {
  const ours = left.matchAll(WORD);
  const theirs = right.matchAll(WORD);
  for (let words = 0; ; words++) {
    const a = ours.next().value;
    const b = theirs.next().value;
    if (!a && !b) return null;
    if (!a || !b || a[0] !== b[0]) return { words, left: a?.index ?? left.length, right: b?.index ?? right.length };
  }
}
