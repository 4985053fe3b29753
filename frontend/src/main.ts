// The page: which view the address asks for, and the keys that work everywhere.

import { readReport } from "./data";
import { h } from "./dom";
import { type Filter, filterOf, NO_FILTER } from "./filter";
import { keysDialog } from "./keys";
import { pointAtNothing } from "./pick";
import { applyTheme, toggleTheme } from "./theme";
import { searchAddress } from "./search";
import type { Report } from "./types";
import { overview } from "./views/overview";
import { plots } from "./views/plots";
import { chooseRun, findRow, question } from "./views/question";
import { questions } from "./views/questions";
import { reading } from "./views/reading";
import { runs } from "./views/runs";
import { search } from "./views/search";

const TABS: [string, string][] = [
  ["#/", "Overview"], ["#/plots", "Plots"], ["#/questions", "Questions"], ["#/runs", "Runs"],
];
const READING: [string, string] = ["#/reading", "Reading"];

interface Shown {
  element: HTMLElement;
  tab: string;
  title: string;
  key?: (event: KeyboardEvent) => boolean;
  shown?: () => void;
}

function start(report: Report, app: HTMLElement): void {
  let filter: Filter = NO_FILTER;
  let row = -1;
  let shown: Shown | null = null;
  let drawn = "";
  const main = h("main", { id: "main", tabindex: -1 });
  const dialog = keysDialog();
  const places = report.readings ? [...TABS, READING] : TABS;
  const tabs = places.map(([address, name]) => h("a", { href: address }, name));

  const go = (address: string, replace = false) => {
    if (!replace) {
      // The browser tells of the new address later; a key typed meanwhile is meant for the new page.
      location.hash = address;
      draw();
      return;
    }
    history.replaceState(null, "", address);
    // A search being typed draws itself.
    if (!(document.activeElement instanceof HTMLInputElement)) draw();
    else if (address.startsWith("#/questions")) filter = filterOf(parametersOf(address));
  };

  const view = (): Shown => {
    const [path = "", query = ""] = location.hash.replace(/^#/, "").split("?", 2);
    const parameters = new URLSearchParams(query);
    const [, where = "", ...rest] = path.split("/");
    if (where === "plots") return { element: plots(report, parameters, go), tab: "#/plots", title: "Plots" };
    if (where === "reading" && report.readings) return { element: reading(report), tab: "#/reading", title: "Reading" };
    if (where === "runs") return { element: runs(report), tab: "#/runs", title: "Runs" };
    if (where === "questions") {
      filter = filterOf(parameters);
      return { ...questions(report, filter, row, go), tab: "#/questions", title: "Questions" };
    }
    if (where === "search") {
      filter = filterOf(parameters);
      return { ...search(report, parameters.get("find") ?? "", filter, go), tab: "#/questions", title: "Search" };
    }
    if (where === "q") {
      const [suite, id] = rest.map(decoded);
      const found = findRow(report, suite ?? "", id ?? "");
      if (found < 0) return nothing(`There is no question ${id ?? ""} of suite ${suite ?? ""} in this report.`);
      row = found;
      if (filter.run) chooseRun(report, filter.run);
      return { ...question(report, row, filter, parameters, go), tab: "#/questions", title: id ?? "" };
    }
    if (where) return nothing("There is nothing at this address.");
    return { element: overview(report, parameters), tab: "#/", title: "Overview" };
  };

  const draw = () => {
    drawn = location.href;
    pointAtNothing();
    shown = view();
    main.replaceChildren(shown.element);
    document.title = `${shown.title} \u00b7 lrmtest report`;
    tabs.forEach((tab, index) => {
      if (places[index]?.[0] === shown?.tab) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
    window.scrollTo(0, 0);
    if (shown.shown) shown.shown();
    else main.focus({ preventScroll: true });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    if (shown?.key?.(event)) {
      event.preventDefault();
      return;
    }
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
    const tab = places[Number(event.key) - 1];
    if (tab) go(tab[0]);
    else if (event.key === "t") toggleTheme();
    else if (event.key === "?") dialog.showModal();
    else if (event.key === "/") go("#/questions");
    else if (event.key === "s") go(searchAddress("", filter));
  });
  window.addEventListener("hashchange", () => {
    if (location.href !== drawn) draw();
  });
  let width = innerWidth;
  window.addEventListener("resize", () => {
    if (innerWidth !== width && ["#/", "#/plots", "#/reading"].includes(shown?.tab ?? "")) draw();
    width = innerWidth;
  });

  app.replaceChildren(
    h("a", { class: "skip", href: "#main", click: (event) => { event.preventDefault(); main.focus(); } }, "Skip to the content"),
    h(
      "header",
      { class: "bar" },
      h("a", { class: "brand", href: "#/" }, "lrmtest"),
      h("nav", { "aria-label": "Views" }, ...tabs),
      h("div", { class: "bar-end" },
        h("button", { type: "button", class: "plain-button", title: "light or dark (t)", click: toggleTheme }, "Light/dark"),
        h("button", { type: "button", class: "plain-button", title: "keys (?)", click: () => dialog.showModal() }, "Keys")),
    ),
    main,
    dialog,
  );
  draw();
}

function nothing(words: string): Shown {
  return { element: h("div", { class: "page" }, h("h1", {}, "Not found"), h("p", {}, words, " ", h("a", { href: "#/questions" }, "All questions"))), tab: "", title: "Not found" };
}

function parametersOf(address: string): URLSearchParams {
  return new URLSearchParams(address.split("?", 2)[1] ?? "");
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

applyTheme();
const app = document.getElementById("app")!;
readReport().then(
  (report) => start(report, app),
  (error: unknown) => app.replaceChildren(h("p", { role: "alert", class: "page" }, `This report cannot be opened: ${error instanceof Error ? error.message : String(error)}. It needs a browser of 2024 or later.`)),
);
