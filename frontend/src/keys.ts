// The list of keys, in a dialog.

import { h } from "./dom";

const KEYS: [string, string][] = [
  ["1 2 3 4 5", "overview, plots, questions, runs, and reading if there is any"],
  ["/", "search; in a question, in its texts"],
  ["s", "search in all prompts and traces"],
  ["j k or \u2193 \u2191", "next and previous row"],
  ["Enter", "open the question"],
  ["n p or \u2192 \u2190", "next and previous question"],
  ["Esc", "back to the list"],
  ["l c a d", "a trace's loop, closing tag, graded answer, first difference; again for the other trace's"],
  ["h H", "next and previous of what is searched for"],
  ["m", "mathematics and emphasis typeset, or as written"],
  ["e", "unfold everything, or not"],
  ["t", "light or dark"],
  ["?", "this list"],
];

export function keysDialog(): HTMLDialogElement {
  const dialog = h(
    "dialog",
    { class: "keys", "aria-label": "Keys" },
    h("h2", {}, "Keys"),
    h("dl", {}, ...KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("form", { method: "dialog" }, h("button", { type: "button", class: "plain-button", click: () => dialog.close() }, "Close")),
  );
  return dialog;
}
