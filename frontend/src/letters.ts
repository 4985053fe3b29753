// The alphabets of mathematics, which are characters of their own: browsers show no letter in
// another alphabet because an attribute asks for it.

interface Alphabet {
  // Code points of A, a, 0, capital and small alpha.
  upper: number;
  lower: number;
  digit?: number;
  greek?: number;
  // Letters that Unicode had before, elsewhere.
  older?: Record<string, number>;
}

const ALPHABETS: Record<string, Alphabet> = {
  "bold": { upper: 0x1d400, lower: 0x1d41a, digit: 0x1d7ce, greek: 0x1d6a8 },
  "italic": { upper: 0x1d434, lower: 0x1d44e, greek: 0x1d6e2, older: { h: 0x210e } },
  "bold-italic": { upper: 0x1d468, lower: 0x1d482, digit: 0x1d7ce, greek: 0x1d71c },
  "script": { upper: 0x1d49c, lower: 0x1d4b6, older: { B: 0x212c, E: 0x2130, F: 0x2131, H: 0x210b, I: 0x2110, L: 0x2112, M: 0x2133, R: 0x211b, e: 0x212f, g: 0x210a, o: 0x2134 } },
  "bold-script": { upper: 0x1d4d0, lower: 0x1d4ea },
  "fraktur": { upper: 0x1d504, lower: 0x1d51e, older: { C: 0x212d, H: 0x210c, I: 0x2111, R: 0x211c, Z: 0x2128 } },
  "double-struck": { upper: 0x1d538, lower: 0x1d552, digit: 0x1d7d8, older: { C: 0x2102, H: 0x210d, N: 0x2115, P: 0x2119, Q: 0x211a, R: 0x211d, Z: 0x2124 } },
  "sans-serif": { upper: 0x1d5a0, lower: 0x1d5ba, digit: 0x1d7e2 },
  "monospace": { upper: 0x1d670, lower: 0x1d68a, digit: 0x1d7f6 },
};

function letter(character: string, { upper, lower, digit, greek, older }: Alphabet): string {
  const code = character.charCodeAt(0);
  const to =
    older?.[character] ??
    (/[A-Z]/.test(character) ? upper + code - 65
    : /[a-z]/.test(character) ? lower + code - 97
    : digit && /[0-9]/.test(character) ? digit + code - 48
    : greek && code >= 0x391 && code <= 0x3a9 ? greek + code - 0x391
    : greek && code >= 0x3b1 && code <= 0x3c9 ? greek + 26 + code - 0x3b1
    : code);
  return String.fromCodePoint(to);
}

// Those that the font lacks, and the nearest that it has.
const NEAREST: Record<string, string> = {
  "bold-fraktur": "fraktur", "bold-sans-serif": "sans-serif", "sans-serif-italic": "sans-serif", "sans-serif-bold-italic": "sans-serif",
};

// What writes a text in the alphabet of a `mathvariant`; null for the upright one and unknown ones.
export function alphabet(variant: string): ((text: string) => string) | null {
  const name = Object.hasOwn(NEAREST, variant) ? NEAREST[variant]! : variant;
  const found = Object.hasOwn(ALPHABETS, name) ? ALPHABETS[name] : undefined;
  return found ? (text) => text.replace(/[A-Za-z0-9\u0391-\u03c9]/g, (one) => letter(one, found)) : null;
}
