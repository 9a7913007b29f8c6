import type { GuestRecord } from "../engine/record/state-records.ts";
import type { LiveView } from "../engine/tree/live-view.ts";
import type { GuestNode } from "../engine/tree/view-tree.ts";
import { applyChanges, changesBetween, type GuestsChanges } from "./protocol/guest-changes.ts";
import type { GuestTree } from "./protocol/guest-tree.ts";

/** Least time between two states, in ms: ten updates a second. */
const INTERVAL_MS = 100;

/** A state of all guests. Parts that didn't change since the state before are the same objects. */
export interface TreeState {
  readonly guests: readonly GuestTree[];
  readonly before: readonly GuestTree[] | undefined;
  readonly changes: GuestsChanges | undefined;
}

/** The trees of all guests for all pages, computed once for each change. */
export class TreeFeed implements Disposable {
  readonly #read: () => readonly GuestTree[];
  readonly #listeners = new Set<(state: TreeState) => void>();
  readonly #unsubscribe: () => void;
  #state: TreeState;
  #timer: NodeJS.Timeout | undefined;
  #updatedAt = 0;

  constructor(view: Pick<LiveView, "guests" | "onChange" | "target">) {
    this.#read = () => view.guests().map((node) => treeOf(node, view.target(node.name)?.guest));
    this.#state = { guests: this.#read(), before: undefined, changes: undefined };
    this.#unsubscribe = view.onChange(() => this.#changed());
  }

  get guests(): readonly GuestTree[] {
    return this.#state.guests;
  }

  /** Calls back with each new state until the returned function is called. */
  onChange(listener: (state: TreeState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    clearTimeout(this.#timer);
  }

  #changed(): void {
    const wait = Math.max(0, this.#updatedAt + INTERVAL_MS - performance.now());
    this.#timer ??= setTimeout(() => this.#update(), wait);
  }

  #update(): void {
    this.#timer = undefined;
    this.#updatedAt = performance.now();
    const before = this.#state.guests;
    const changes = changesBetween(before, this.#read());
    if (changes === undefined) return;
    this.#state = { guests: applyChanges(before, changes), before, changes };
    for (const listener of this.#listeners) listener(this.#state);
  }
}

function treeOf({ events: _, ...node }: GuestNode, record: GuestRecord | undefined): GuestTree {
  if (record === undefined) return node;
  const { accelerator, memoryMib, cpus, bootedAt, network, networkAddress, clone, folder, control, isEmbedded } =
    record;
  const facts = {
    accelerator,
    memoryMib,
    cpus,
    bootedAt,
    isClone: clone !== undefined,
    network,
    networkAddress,
    // A shared folder can't be saved with the guest.
    canFork: folder === undefined && control !== undefined && !isEmbedded,
  };
  return { ...node, record: facts };
}
