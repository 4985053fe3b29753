// Names beside points, none of which lies on another, on a point or outside the drawing.

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Wanted {
  x: number;
  y: number;
  width: number;
}

export interface Placed {
  x: number;
  y: number;
  anchor: "start" | "end";
  // From the point to the name, where that is not beside it.
  leader: boolean;
}

const HEIGHT = 15;
const UP = 11;
const BESIDE = 10;
const POINT = 8;
const FAR = 16;

function apart(a: Box, b: Box): boolean {
  return a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
}

function boxOf(place: Placed, width: number): Box {
  const left = place.anchor === "start" ? place.x : place.x - width;
  return { left, right: left + width, top: place.y - UP, bottom: place.y - UP + HEIGHT };
}

// Places for a name, the nearest first: to the right and to the left, at rising distance.
function* places({ x, y }: Wanted): Generator<Placed> {
  for (let far = 0; far <= FAR; far++) {
    for (const up of far === 0 ? [0] : [-far, far]) {
      const at = y + 4 + (up * HEIGHT) / 1.25;
      for (const anchor of ["start", "end"] as const) {
        const aside = BESIDE + (far > 1 ? 8 : 0);
        yield { x: anchor === "start" ? x + aside : x - aside, y: at, anchor, leader: far > 1 };
      }
    }
  }
}

// Where each name goes, in the order in which they are wanted; null where there is no room: its
// run is then in the legend alone.
export function placeLabels(wanted: Wanted[], within: Box): (Placed | null)[] {
  const taken: Box[] = wanted.map(({ x, y }) => ({ left: x - POINT, right: x + POINT, top: y - POINT, bottom: y + POINT }));
  return wanted.map((one) => {
    for (const place of places(one)) {
      const box = boxOf(place, one.width);
      if (box.left < within.left || box.right > within.right || box.top < within.top || box.bottom > within.bottom) continue;
      if (!taken.every((other) => apart(box, other))) continue;
      taken.push(box);
      return place;
    }
    return null;
  });
}

let measure: CanvasRenderingContext2D | null | undefined;

// How wide a name is drawn, in pixels; a little more than that where no canvas tells.
export function widthOf(text: string, size = 12.5): number {
  measure ??= document.createElement("canvas").getContext("2d");
  if (!measure) return text.length * size * 0.7;
  measure.font = `${size}px ${getComputedStyle(document.documentElement).getPropertyValue("--sans") || "sans-serif"}`;
  return measure.measureText(text).width + 3;
}
