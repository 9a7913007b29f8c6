import { percent, shortSize, sumKnown } from "../../engine/tree/short-text.ts";
import type { TreeRow } from "../../engine/tree/tree-rows.ts";
import { visibleLine } from "../../visible.ts";

interface Column {
  readonly title: string;
  readonly width: number;
  text(row: TreeRow): string;
}

const STATE: Column = { title: "STATE", width: 8, text: ({ state }) => state };
const CPU: Column = { title: "CPU%", width: 5, text: ({ usage }) => percent(usage.cpu) };
const MEMORY: Column = { title: "MEM", width: 5, text: ({ usage }) => shortSize(usage.memory) };
const LIMIT: Column = { title: "LIMIT", width: 5, text: ({ usage }) => shortSize(usage.memoryLimit) };
const TASKS: Column = { title: "TASKS", width: 5, text: ({ usage }) => String(usage.pids ?? "-") };
const UNACKNOWLEDGED: Column = {
  title: "UNACK",
  width: 5,
  text: ({ streams }) => shortSize(streams.unacknowledged),
};

const pressure = (title: string, name: "cpu" | "memory" | "io"): Column => ({
  title,
  width: 5,
  text: ({ usage }) => percent(usage.pressure[name]),
});
const WORST_PRESSURE: Column = {
  title: "PSI%",
  width: 5,
  text({ usage: { pressure } }) {
    const known = [pressure.cpu, pressure.memory, pressure.io].filter((share) => share !== undefined);
    return percent(known.length === 0 ? undefined : Math.max(...known));
  },
};

const size = (title: string, value: (row: TreeRow) => number | undefined): Column => ({
  title,
  width: 6,
  text: (row) => shortSize(value(row)),
});

const NARROW: readonly Column[] = [
  ...[STATE, CPU, MEMORY, WORST_PRESSURE],
  size("DISK/s", ({ usage }) => sumKnown(usage.read, usage.written)),
  size("NET/s", ({ usage }) => sumKnown(usage.received, usage.sent)),
  size("STD/s", ({ streams }) => sumKnown(streams.input, streams.output)),
  UNACKNOWLEDGED,
];

const WIDE: readonly Column[] = [
  ...[STATE, CPU, MEMORY, LIMIT, TASKS],
  ...[pressure("PSI-C", "cpu"), pressure("PSI-M", "memory"), pressure("PSI-I", "io")],
  size("READ/s", ({ usage }) => usage.read),
  size("WRIT/s", ({ usage }) => usage.written),
  size("RECV/s", ({ usage }) => usage.received),
  size("SENT/s", ({ usage }) => usage.sent),
  size("IN/s", ({ streams }) => streams.input),
  size("OUT/s", ({ streams }) => streams.output),
  UNACKNOWLEDGED,
];

/** Width from which each direction and each kind of pressure has a column. */
const WIDE_FROM = 130;
/** Title of the tree's own column; it fits at 80 columns. */
const NAME = "GUEST/CONTAINER/PROCESS";
/** The tree's own column is never narrower. */
const LEAST_NAME = 12;
/** Marks the selected line where there are no colours. */
const MARK = 2;

/** Columns and the width of the name before them. */
export interface Layout {
  readonly columns: readonly Column[];
  readonly name: number;
}

/** Chooses the columns for a width; a narrow screen loses the last ones. */
export function layoutFor(width: number): Layout {
  let columns = width >= WIDE_FROM ? WIDE : NARROW;
  const name = () => width - MARK - columns.reduce((sum, column) => sum + column.width + 1, 0);
  while (columns.length > 0 && name() < LEAST_NAME) columns = columns.slice(0, -1);
  return { columns, name: Math.max(1, name()) };
}

export function headerLine({ columns, name }: Layout): string {
  const title = NAME.length <= name ? NAME : "NAME";
  return `  ${padded(title, name)}${columns.map((each) => ` ${cell(each, each.title)}`).join("")}`;
}

/** Formats a line of the tree: its name, indented, and as much of its image or command as there is room for. */
export function rowLine(row: TreeRow, { columns, name }: Layout, isSelected: boolean): string {
  const fold = row.isFolded === undefined ? " " : row.isFolded ? "+" : "-";
  const detail = row.detail === "" ? "" : `  ${visibleLine(row.detail)}`;
  const text = `${"  ".repeat(row.depth)}${fold} ${visibleLine(row.name)}${detail}`;
  const cells = columns.map((each) => ` ${cell(each, visibleLine(each.text(row)))}`).join("");
  return `${isSelected ? ">" : " "} ${padded(text, name)}${cells}`;
}

/** Cuts or fills a text to a width. */
export function padded(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}~` : text.padEnd(width);
}

/** The state is on the left of its column, numbers are on the right. */
function cell({ title, width }: Column, text: string): string {
  return title === STATE.title ? padded(text, width) : text.padStart(width).slice(0, width);
}
