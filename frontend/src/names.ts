// Names of runs in the room that there is, no two of them alike.

// A name cut in its middle: variants of one model differ at the end.
function cut(name: string, most: number): string {
  const letters = [...name];
  if (letters.length <= most) return name;
  const tail = Math.ceil((most - 1) * 0.6);
  return `${letters.slice(0, most - 1 - tail).join("")}\u2026${letters.slice(letters.length - tail).join("")}`;
}

// The names in at most so many characters each; those that would look alike are numbered.
export function shortNames(names: string[], most: number): string[] {
  const room = Math.max(6, most);
  const first = names.map((name) => cut(name, room));
  const often = new Map<string, number>();
  for (const name of first) often.set(name, (often.get(name) ?? 0) + 1);
  return first.map((name, index) => {
    if (often.get(name) === 1) return name;
    const number = ` (${index + 1})`;
    return cut(names[index] ?? "", room - number.length) + number;
  });
}

// As people count: 2 before 10.
export function byName(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true, sensitivity: "base" }) || (a < b ? -1 : a > b ? 1 : 0);
}
