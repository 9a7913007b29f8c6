import type { ContainerTree, ForwardUsage, ProcessTree, StreamUsage } from "./guest-tree.ts";
import { sumKnown } from "./short-text.ts";
import type { Usage } from "./usage-shape.ts";
import type { GuestNode } from "./view-tree.ts";

export const SORTS = ["name", "cpu", "memory", "io", "network", "streams"] as const;
export type Sort = (typeof SORTS)[number];

/** The part of a guest that its lines show. */
export type RowGuest = Pick<
  GuestNode,
  "name" | "link" | "reason" | "agentRestarts" | "usage" | "containers" | "forwards"
>;

/** A line of the tree. */
export interface TreeRow<Guest extends RowGuest = GuestNode> {
  /** Identifies the line over all updates. */
  readonly key: string;
  readonly kind: "guest" | "container" | "process" | "forward";
  readonly depth: number;
  readonly name: string;
  /** Image or command. */
  readonly detail: string;
  readonly state: string;
  readonly usage: Usage;
  readonly streams: StreamUsage;
  readonly guest: Guest;
  readonly container?: ContainerTree | undefined;
  readonly process?: ProcessTree;
  /** Set if lines below it can be folded. */
  readonly isFolded?: boolean;
}

export interface RowOptions {
  /** Keys of folded lines. */
  readonly folded: ReadonlySet<string>;
  /** Shows lines that contain this text, with those above and below them; ignores what is folded. */
  readonly filter: string;
  readonly sort: Sort;
}

/** A line with those below it. */
interface Branch<Guest extends RowGuest> {
  readonly row: TreeRow<Guest>;
  readonly below: readonly Branch<Guest>[];
}

const NO_USAGE: Usage = { pressure: {} };

/** Returns the lines of a tree, in order. */
export function treeRows<Guest extends RowGuest>(
  guests: readonly Guest[],
  options: RowOptions,
): readonly TreeRow<Guest>[] {
  return sorted(
    guests.map((guest) => guestBranch(guest)),
    options.sort,
  ).flatMap((branch) => linesOf(branch, options, false));
}

function linesOf<Guest extends RowGuest>(
  { row, below }: Branch<Guest>,
  options: RowOptions,
  isBelowMatch: boolean,
): readonly TreeRow<Guest>[] {
  const { filter, folded, sort } = options;
  const isMatch = isBelowMatch || matches(row, filter);
  const isFolded = filter === "" && folded.has(row.key);
  const lines = isFolded ? [] : sorted(below, sort).flatMap((each) => linesOf(each, options, isMatch));
  if (!isMatch && lines.length === 0) return [];
  return [below.length === 0 ? row : { ...row, isFolded }, ...lines];
}

function matches({ name, detail, state }: Pick<TreeRow, "name" | "detail" | "state">, filter: string): boolean {
  return `${name} ${detail} ${state}`.toLowerCase().includes(filter.toLowerCase());
}

function guestBranch<Guest extends RowGuest>(guest: Guest): Branch<Guest> {
  const streams = guest.containers.map((container) => container.streams);
  const { link, reason, agentRestarts } = guest;
  const restarts = agentRestarts === 0 ? "" : `agent restarted ${agentRestarts}x`;
  const row: TreeRow<Guest> = {
    key: guest.name,
    kind: "guest",
    depth: 0,
    name: guest.name,
    detail: reason ?? restarts,
    state: link,
    usage: guest.usage,
    guest,
    streams: {
      ...known("input", sumKnown(...streams.map(({ input }) => input))),
      ...known("output", sumKnown(...streams.map(({ output }) => output))),
      ...known("unacknowledged", sumKnown(...streams.map(({ unacknowledged }) => unacknowledged))),
    },
  };
  const containers = guest.containers.map((container) => containerBranch(guest, container));
  return { row, below: [...containers, ...guest.forwards.map((forward) => forwardBranch(guest, forward))] };
}

function containerBranch<Guest extends RowGuest>(guest: Guest, container: ContainerTree): Branch<Guest> {
  const { id, image = "", state, code, usage, streams, processes } = container;
  const key = `${guest.name}/${id}`;
  const row: TreeRow<Guest> = {
    key,
    kind: "container",
    depth: 1,
    name: id,
    detail: image,
    state: stateText(state, code),
    usage,
    streams,
    guest,
    container,
  };
  return { row, below: processes.map((process) => processBranch(row, process)) };
}

function processBranch<Guest extends RowGuest>(
  { key, guest, container }: TreeRow<Guest>,
  process: ProcessTree,
): Branch<Guest> {
  const { exec, pid, state, code, command = [], usage, streams } = process;
  const name = exec === "" ? `pid ${pid}` : exec;
  const row: TreeRow<Guest> = {
    key: `${key}/${exec}`,
    kind: "process",
    depth: 2,
    name,
    detail: command.join(" "),
    state: stateText(state, code),
    usage,
    streams,
    guest,
    process,
    container,
  };
  return { row, below: [] };
}

function forwardBranch<Guest extends RowGuest>(guest: Guest, { id, sent, received }: ForwardUsage): Branch<Guest> {
  const row: TreeRow<Guest> = {
    ...{ key: `${guest.name}//${id}`, kind: "forward", depth: 1, name: `forward ${id.slice(0, 8)}`, detail: "" },
    state: "open",
    usage: NO_USAGE,
    guest,
    streams: { ...known("input", sent), ...known("output", received) },
  };
  return { row, below: [] };
}

function stateText(state: string, code: number | undefined): string {
  return code === undefined ? state : `exit ${code}`;
}

function known<Name extends string>(name: Name, value: number | undefined): { [key in Name]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]?: number });
}

/** Sorts by name, or by largest first; lines of the same size by name. */
function sorted<Guest extends RowGuest>(branches: readonly Branch<Guest>[], sort: Sort): readonly Branch<Guest>[] {
  if (sort === "name") return branches;
  return branches.toSorted((a, b) => sizeOf(b.row, sort) - sizeOf(a.row, sort));
}

function sizeOf({ usage, streams }: Pick<TreeRow, "usage" | "streams">, sort: Exclude<Sort, "name">): number {
  const { cpu = 0, memory = 0, read = 0, written = 0, received = 0, sent = 0 } = usage;
  const { input = 0, output = 0 } = streams;
  return { cpu, memory, io: read + written, network: received + sent, streams: input + output }[sort];
}
