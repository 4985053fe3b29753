// One run picked out of many: what is drawn of the others is set back.
//
// Whatever stands for a run bears its number as `data-run`. Pointing at it or reaching it by
// keyboard picks the run out for as long; a click or a tap keeps it picked, also in other views,
// until the next click on it or Escape.

let kept: number | null = null;
let now: number | null = null;

function show(root: ParentNode): void {
  const run = now ?? kept;
  for (const place of root.querySelectorAll<HTMLElement>(".picks")) {
    place.classList.toggle("picking", run !== null);
    for (const one of place.querySelectorAll("[data-run]")) {
      one.classList.toggle("picked", Number(one.getAttribute("data-run")) === run);
    }
  }
  for (const one of root.querySelectorAll("button[data-run]")) {
    one.setAttribute("aria-pressed", String(Number(one.getAttribute("data-run")) === kept));
  }
}

function runOf(target: EventTarget | null): number | null {
  const found = target instanceof Element ? target.closest("[data-run]") : null;
  return found ? Number(found.getAttribute("data-run")) : null;
}

// Makes a view follow the reader; every part of it that dims has the class `picks`.
export function picking<T extends HTMLElement>(view: T): T {
  const point = (target: EventTarget | null) => {
    const run = runOf(target);
    if (run === now) return;
    now = run;
    show(view);
  };
  view.addEventListener("pointerover", (event) => {
    // A finger leaves nothing that it points at: it taps.
    if (event.pointerType !== "touch") point(event.target);
  });
  view.addEventListener("pointerleave", () => point(null));
  view.addEventListener("focusin", (event) => point(event.target));
  view.addEventListener("focusout", (event) => point(event.relatedTarget));
  view.addEventListener("click", (event) => {
    const run = runOf(event.target);
    if (run === null || (event.target as Element).closest("a, button:not([data-run])")) return;
    kept = kept === run ? null : run;
    now = kept === null ? null : now;
    show(view);
  });
  view.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || kept === null) return;
    kept = now = null;
    show(view);
  });
  view.addEventListener("drawn", () => show(view));
  show(view);
  return view;
}

// What was pointed at is gone with the view that it was in.
export function pointAtNothing(): void {
  now = null;
}
