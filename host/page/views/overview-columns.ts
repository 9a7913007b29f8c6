import { percent, shortSize } from "../../engine/tree/short-text.ts";
import type { Sort, TreeRow } from "../../engine/tree/tree-rows.ts";
import type { GuestTree, Usage } from "../../serve/protocol/guest-tree.ts";

export type Row = TreeRow<GuestTree>;

export interface Column {
  /** Also its class. */
  readonly name: string;
  readonly title: string;
  /** For screen readers and pointers. */
  readonly meaning: string;
  /** The order that its header selects; undefined if it has none. */
  readonly sort?: Sort;
  text(row: Row): string;
  /** Share of the cell that is filled. */
  share?(row: Row): number | undefined;
}

const pressure = (name: keyof Usage["pressure"], title: string, meaning: string): Column => ({
  ...{ name: `psi-${name}`, title, meaning: `share of the time in which tasks waited for ${meaning}, in percent` },
  text: ({ usage }) => percent(usage.pressure[name]),
  share: ({ usage }) => usage.pressure[name],
});

const rate = (
  name: keyof Usage & ("read" | "written" | "received" | "sent"),
  title: string,
  meaning: string,
): Column => ({
  ...{ name, title, meaning: `${meaning}, bytes per second` },
  sort: name === "read" || name === "written" ? "io" : "network",
  text: ({ usage }) => shortSize(usage[name]),
});

/** Columns after the tree's own. */
export const COLUMNS: readonly Column[] = [
  { name: "state", title: "State", meaning: "state", text: ({ state }) => state },
  {
    ...{ name: "cpu", title: "CPU %", meaning: "percent of one processor", sort: "cpu" },
    text: ({ usage }) => percent(usage.cpu),
    share: ({ usage, guest }) => (usage.cpu === undefined ? undefined : usage.cpu / Math.max(1, guest.cpus)),
  },
  {
    ...{ name: "memory", title: "Memory", meaning: "memory, bytes", sort: "memory" },
    text: ({ usage }) => shortSize(usage.memory),
    share: ({ usage: { memory, memoryLimit } }) =>
      memory === undefined || memoryLimit === undefined || memoryLimit === 0 ? undefined : memory / memoryLimit,
  },
  {
    name: "limit",
    title: "Limit",
    meaning: "limit of memory, bytes",
    text: ({ usage }) => shortSize(usage.memoryLimit),
  },
  pressure("cpu", "PSI cpu", "a processor"),
  pressure("memory", "mem", "memory"),
  pressure("io", "io", "disks"),
  rate("read", "Read/s", "read from disks"),
  rate("written", "Writ/s", "written to disks"),
  rate("received", "Recv/s", "received from the network"),
  rate("sent", "Sent/s", "sent to the network"),
  {
    ...{ name: "input", title: "In/s", meaning: "bytes per second through stdin", sort: "streams" },
    text: ({ streams }) => shortSize(streams.input),
  },
  {
    ...{ name: "output", title: "Out/s", meaning: "bytes per second through stdout and stderr", sort: "streams" },
    text: ({ streams }) => shortSize(streams.output),
  },
  {
    ...{ name: "unacknowledged", title: "Unack", meaning: "printed bytes that no client has acknowledged" },
    text: ({ streams }) => shortSize(streams.unacknowledged),
  },
];
