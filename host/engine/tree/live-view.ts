import type { Target } from "../guest/guest-target.ts";
import { type GuestRecord, type ProcessRecord, restOf } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import { GuestLink } from "./guest-link.ts";
import { MAX_ENTRIES } from "./guest-reading.ts";
import type { GuestNode } from "./view-tree.ts";
import { watchFolders } from "./watch-folders.ts";

export interface LiveViewOptions {
  /** Time between two updates of a guest, in ms; by default a second. */
  readonly intervalMs?: number;
  /** Shows only this guest. */
  readonly guest?: string | undefined;
  /** Shows this agent instead of the guests of the store. */
  readonly address?: string | undefined;
}

/**
 * All guests of the state store, with one stream each: guests appear and disappear as their records do. It owns nothing that
 * could be lost.
 */
export class LiveView {
  readonly #store: StateStore;
  readonly #options: LiveViewOptions;
  readonly #links = new Map<string, GuestLink>();
  readonly #records = new Map<string, readonly ProcessRecord[]>();
  readonly #listeners = new Set<() => void>();
  readonly #unwatch: () => void;

  /** May throw FolderError. */
  constructor(store: StateStore, options: LiveViewOptions = {}) {
    this.#store = store;
    this.#options = options;
    if (options.address !== undefined) {
      this.#open({ address: options.address }, options.address);
      this.#unwatch = () => undefined;
      return;
    }
    this.#follow();
    this.#unwatch = watchFolders(store.root, () => {
      try {
        this.#follow();
      } catch {
        // The folder or a record is damaged: shows what it knew, and reads again later.
      }
    });
  }

  /** Returns the guests, sorted by name. */
  guests(): readonly GuestNode[] {
    return [...this.#links.values()].map((link) => link.node()).toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** Calls back at each change, possibly many times in a row, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** True once each guest has answered or failed. */
  get isSettled(): boolean {
    return [...this.#links.values()].every((link) => link.isSettled);
  }

  /** Returns how a guest is reached. */
  target(guest: string): Target | undefined {
    return this.#links.get(guest)?.target;
  }

  /** Idempotent. */
  close(): void {
    this.#unwatch();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #follow(): void {
    const { guest: only } = this.#options;
    const guests = this.#store.guests().filter(({ name }) => only === undefined || name === only);
    for (const guest of guests) {
      this.#records.set(guest.name, this.#store.processes.list(guest.name));
      // Another guest may have got the name.
      const link = this.#links.get(guest.name);
      if (link !== undefined && !isSame(link.target.guest, guest)) this.#drop(guest.name);
      if (!this.#links.has(guest.name)) this.#open({ address: guest.address, guest }, guest.name);
    }
    for (const name of this.#links.keys()) if (!guests.some((guest) => guest.name === name)) this.#drop(name);
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #open(target: Target, name: string): void {
    const link = new GuestLink(target, {
      intervalMs: this.#options.intervalMs ?? 1000,
      share: () => Math.floor(MAX_ENTRIES / this.#links.size),
      processes: () => this.#records.get(name) ?? [],
      onChange: () => this.#changed(),
    });
    this.#links.set(name, link);
    for (const each of this.#links.values()) each.trim();
  }

  #drop(name: string): void {
    this.#links.get(name)?.close();
    this.#links.delete(name);
    this.#records.delete(name);
  }
}

/** True if the guest is reached as before. */
function isSame(before: GuestRecord | undefined, guest: GuestRecord): boolean {
  if (before?.bootedAt !== guest.bootedAt || before.direct !== guest.direct) return false;
  return restOf(before) === restOf(guest);
}
