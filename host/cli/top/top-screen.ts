import { type TreeRow, treeRows } from "../../engine/tree/tree-rows.ts";
import type { GuestNode } from "../../engine/tree/view-tree.ts";
import { visibleLine } from "../../visible.ts";
import { headerLine, layoutFor, padded, rowLine } from "./top-columns.ts";
import { selectedRow, type TopPane, type TopState } from "./top-state.ts";

export interface ScreenLine {
  readonly text: string;
  readonly style?: "title" | "selected" | "dim" | "warning";
}

/** Lines around the body: title, header and footer. */
const AROUND = 3;
const KEYS = "? help  / filter  C M I T O sort  l logs  s t shell  d describe  k kill  q quit";
/** The least lines of the tree above a terminal, and the share of the screen that they have. */
const MIN_TREE = 1;
const TREE_SHARE = 1 / 3;

/** Returns how many lines of the tree or of a pane fit. */
export function pageOf(rows: number): number {
  return Math.max(1, rows - AROUND);
}

/** Returns how many lines the tree has above a terminal, and the terminal. */
export function splitOf(rows: number): { readonly tree: number; readonly terminal: number } {
  const tree = Math.max(MIN_TREE, Math.floor(pageOf(rows) * TREE_SHARE));
  return { tree, terminal: Math.max(1, pageOf(rows) - tree) };
}

/**
 * Returns the lines of the screen: at most `rows`, none longer than `columns`. Those of a `terminal` are below the tree, and have
 * their own attributes.
 */
export function topScreen(
  state: TopState,
  guests: readonly GuestNode[],
  { rows, columns }: { readonly rows: number; readonly columns: number },
  terminal?: readonly string[],
): readonly ScreenLine[] {
  const page = terminal === undefined ? pageOf(rows) : splitOf(rows).tree;
  const lines = treeRows(guests, state);
  const body = state.pane === undefined ? treeLines(state, lines, page, columns) : paneLines(state.pane, page, columns);
  const title: ScreenLine = { text: titleOf(state, guests), style: "title" };
  const filler = Array.from({ length: Math.max(0, page + 1 - body.length) }, () => ({ text: "" }));
  const plain = [title, ...body, ...filler, footerOf(state)].map((line) => ({
    ...line,
    text: padded(line.text, columns),
  }));
  const below = (terminal ?? []).map((text): ScreenLine => ({ text }));
  return [...plain, ...below].slice(0, Math.max(1, rows));
}

function titleOf({ pane, sort, filter }: TopState, guests: readonly GuestNode[]): string {
  if (pane !== undefined) return `guestctl top: ${visibleLine(pane.title)}`;
  const containers = guests.reduce((sum, guest) => sum + guest.containers.length, 0);
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
  const shown = filter === "" ? "" : `, with "${visibleLine(filter)}"`;
  return `guestctl top: ${count(guests.length, "guest")}, ${count(containers, "container")}, by ${sort}${shown}`;
}

function treeLines(state: TopState, rows: readonly TreeRow[], page: number, columns: number): readonly ScreenLine[] {
  const layout = layoutFor(columns);
  const header: ScreenLine = { text: headerLine(layout), style: "dim" };
  const selected = selectedRow(state, rows);
  if (selected === undefined) {
    const why =
      state.filter === "" ? "no guest is running; start one with guestctl run or boot" : "no line has this text";
    return [header, { text: `  ${why}` }];
  }
  // The selected line is in the middle, but for the beginning and the end.
  const from = Math.max(0, Math.min(rows.length - page, rows.indexOf(selected) - Math.floor(page / 2)));
  const shown = rows.slice(from, from + page).map((row): ScreenLine => {
    const text = rowLine(row, layout, row === selected);
    if (row === selected) return { text, style: "selected" };
    if (row.state === "lost") return { text, style: "warning" };
    return row.state.startsWith("exit") ? { text, style: "dim" } : { text };
  });
  return [header, ...shown];
}

/** Long lines continue in the next one. */
function paneLines({ lines, from }: TopPane, page: number, columns: number): readonly ScreenLine[] {
  const shown = from === undefined ? lines.slice(-page) : lines.slice(from, from + page);
  const all = shown.flatMap((line) => pieces(visibleLine(line), columns));
  return (from === undefined ? all.slice(-page) : all.slice(0, page)).map((text) => ({ text }));
}

function pieces(line: string, width: number): readonly string[] {
  const count = Math.max(1, Math.ceil(line.length / width));
  return Array.from({ length: count }, (_, at) => line.slice(at * width, (at + 1) * width));
}

function footerOf({ mode, filter, victim, message }: TopState): ScreenLine {
  if (mode === "filter") return { text: `/${visibleLine(filter)}_  Enter keeps it, Esc forgets it`, style: "title" };
  if (mode === "confirm") return { text: `kill ${visibleLine(victimName(victim))}? y/n`, style: "warning" };
  if (mode === "terminal") return { text: "a terminal in the selected container; ^] closes it", style: "title" };
  if (mode === "pane") return { text: "up, down, PgUp, PgDn, Home, End scroll  q, Esc close", style: "dim" };
  return message === "" ? { text: KEYS, style: "dim" } : { text: visibleLine(message), style: "warning" };
}

function victimName(row: TreeRow | undefined): string {
  const { container, process } = row ?? {};
  const exec = process === undefined || process.exec === "" ? "" : `exec ${process.exec} of `;
  return `${exec}container ${container?.id}`;
}
