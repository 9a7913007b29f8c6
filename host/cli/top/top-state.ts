import { SORTS, type Sort, type TreeRow } from "../../engine/tree/tree-rows.ts";
import { TOP_HELP } from "./top-help.ts";

/** A text over the tree. */
export interface TopPane {
  readonly title: string;
  readonly lines: readonly string[];
  /** First line shown; undefined: the end, also when lines are added. */
  readonly from: number | undefined;
}

/** Everything that keys change. */
export interface TopState {
  /** In mode terminal, keys are not the view's. */
  readonly mode: "tree" | "filter" | "confirm" | "pane" | "terminal";
  readonly selected: string | undefined;
  readonly folded: ReadonlySet<string>;
  readonly filter: string;
  readonly sort: Sort;
  readonly pane: TopPane | undefined;
  /** The line that `k` asks about. */
  readonly victim: TreeRow | undefined;
  /** One line about the last command. */
  readonly message: string;
}

export type TopAction =
  | { readonly type: "quit" }
  | { readonly type: "closePane" }
  | { readonly type: "logs" | "shell" | "terminal" | "describe" | "kill"; readonly row: TreeRow };

/** A key by name, such as "up", or a character. */
export type TopKey = string;

export const FIRST_STATE: TopState = {
  mode: "tree",
  selected: undefined,
  folded: new Set<string>(),
  filter: "",
  sort: "name",
  pane: undefined,
  victim: undefined,
  message: "",
};

const SORT_KEYS: Readonly<Record<TopKey, Sort>> = {
  N: "name",
  C: "cpu",
  M: "memory",
  I: "io",
  T: "network",
  O: "streams",
};

/** Applies a key; `rows` are the lines of the tree, `page` how many fit on the screen. */
export function press(
  state: TopState,
  key: TopKey,
  rows: readonly TreeRow[],
  page: number,
): { readonly state: TopState; readonly action?: TopAction } {
  if (key === "ctrl-c") return { state, action: { type: "quit" } };
  switch (state.mode) {
    case "filter":
      return { state: filtered(state, key) };
    case "confirm":
      return confirmed(state, key);
    case "pane":
      return inPane(state, key, page);
    case "terminal":
      return { state };
    case "tree":
      return inTree({ ...state, message: "" }, key, rows, page);
  }
}

/** Returns the selected line; the first one if none is selected, or the selected one is gone. */
export function selectedRow({ selected }: TopState, rows: readonly TreeRow[]): TreeRow | undefined {
  return rows.find(({ key }) => key === selected) ?? rows[0];
}

/** Shows a text over the tree. */
export function openPane(state: TopState, title: string, lines: readonly string[], from?: number): TopState {
  return { ...state, mode: "pane", pane: { title, lines, from } };
}

function filtered(state: TopState, key: TopKey): TopState {
  if (key === "enter") return { ...state, mode: "tree" };
  if (key === "escape") return { ...state, mode: "tree", filter: "" };
  if (key === "backspace") return { ...state, filter: state.filter.slice(0, -1) };
  return [...key].length === 1 ? { ...state, filter: state.filter + key } : state;
}

function confirmed(state: TopState, key: TopKey) {
  const { victim: row } = state;
  const next: TopState = { ...state, mode: "tree", victim: undefined };
  if (key === "y" && row !== undefined) return { state: next, action: { type: "kill", row } as const };
  return { state: { ...next, message: "nothing was killed" } };
}

function inPane(state: TopState, key: TopKey, page: number): { state: TopState; action?: TopAction } {
  const { pane } = state;
  if (pane === undefined || ["q", "escape", "left", "?"].includes(key)) {
    return { state: { ...state, mode: "tree", pane: undefined }, action: { type: "closePane" } };
  }
  const last = Math.max(0, pane.lines.length - page);
  const at = pane.from ?? last;
  const steps: Readonly<Record<TopKey, number>> = { up: -1, down: 1, pageup: -page, pagedown: page };
  const step = { ...steps, home: -at, end: last - at }[key];
  if (step === undefined) return { state };
  const from = Math.min(last, Math.max(0, at + step));
  return { state: { ...state, pane: { ...pane, from: from === last && step >= 0 ? undefined : from } } };
}

function inTree(state: TopState, key: TopKey, rows: readonly TreeRow[], page: number) {
  const row = selectedRow(state, rows);
  const at = row === undefined ? 0 : rows.indexOf(row);
  const steps: Readonly<Record<TopKey, number>> = { up: -1, down: 1, pageup: -page, pagedown: page };
  const step = { ...steps, home: -at, end: rows.length - at }[key];
  if (step !== undefined) {
    const to = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    return { state: { ...state, selected: to?.key } };
  }
  const sort = SORT_KEYS[key] ?? nextSort(state.sort, key);
  if (sort !== undefined) return { state: { ...state, sort } };
  switch (key) {
    case "q":
      return { state, action: { type: "quit" } as const };
    case "/":
      return { state: { ...state, mode: "filter", filter: "" } as const };
    case "escape":
      return { state: { ...state, filter: "" } };
    case "?":
      return { state: openPane(state, "keys", TOP_HELP, 0) };
  }
  return row === undefined ? { state } : onRow(state, key, row);
}

function onRow(state: TopState, key: TopKey, row: TreeRow): { state: TopState; action?: TopAction } {
  const needsContainer = (what: string) => ({ state: { ...state, message: `${what}: select a container` } });
  switch (key) {
    case "right":
      return { state: folding(state, row, false) };
    case "left":
      return { state: folding(state, row, true) };
    case "enter":
    case " ":
      return { state: folding(state, row, row.isFolded === false) };
    case "l":
      return { state, action: { type: "logs", row } };
    case "d":
      return { state, action: { type: "describe", row } };
    case "s":
      return row.container === undefined ? needsContainer("shell") : { state, action: { type: "shell", row } };
    case "t":
      return row.container === undefined ? needsContainer("terminal") : { state, action: { type: "terminal", row } };
    case "k":
      if (row.container === undefined) return needsContainer("kill");
      return { state: { ...state, mode: "confirm", victim: row } };
    default:
      return { state };
  }
}

/** Folds a line, or the one that it is below. */
function folding(state: TopState, row: TreeRow, isFolded: boolean): TopState {
  const folded = new Set(state.folded);
  if (!isFolded) folded.delete(row.key);
  else if (row.isFolded === false) folded.add(row.key);
  else {
    const above = row.key.slice(0, row.key.lastIndexOf("/")).replace(/\/$/, "");
    return above === "" ? state : { ...state, selected: above };
  }
  return { ...state, folded, selected: row.key };
}

function nextSort(sort: Sort, key: TopKey): Sort | undefined {
  const step = key === ">" ? 1 : key === "<" ? -1 : undefined;
  return step && SORTS[(SORTS.indexOf(sort) + step + SORTS.length) % SORTS.length];
}
