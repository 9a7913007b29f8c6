import type { ContainerTree, GuestHead, GuestTree } from "./guest-tree.ts";

/** Changes between two states of all guests. */
export interface GuestsChanges {
  /** Guests that are new or changed, at most once each. */
  readonly guests: readonly GuestChange[];
  /** Names of guests that are gone. */
  readonly gone: readonly string[];
}

export interface GuestChange {
  /** Always whole. */
  readonly guest: GuestHead;
  /** Containers that are new or changed, each whole. */
  readonly containers: readonly ContainerTree[];
  /** Ids of containers that are gone. */
  readonly gone: readonly string[];
}

/** Returns the changes that make `after` of `before`; undefined if nothing differs. */
export function changesBetween(before: readonly GuestTree[], after: readonly GuestTree[]): GuestsChanges | undefined {
  const old = new Map(before.map((guest) => [guest.name, guest]));
  const guests: GuestChange[] = [];
  for (const guest of after) {
    const change = changeOf(old.get(guest.name), guest);
    if (change !== undefined) guests.push(change);
    old.delete(guest.name);
  }
  const gone = [...old.keys()];
  return guests.length === 0 && gone.length === 0 ? undefined : { guests, gone };
}

function changeOf(before: GuestTree | undefined, after: GuestTree): GuestChange | undefined {
  if (before === after) return undefined;
  const { containers: oldContainers = [], ...oldHead } = before ?? ({} as Partial<GuestTree>);
  const { containers: all, ...guest } = after;
  const old = new Map(oldContainers.map((container) => [container.id, container]));
  const containers = all.filter((container) => !isSame(old.get(container.id), container));
  for (const { id } of all) old.delete(id);
  const gone = [...old.keys()];
  if (containers.length === 0 && gone.length === 0 && isSame(oldHead, guest)) return undefined;
  return { guest, containers, gone };
}

/** Returns the guests after the changes, sorted by name, with their containers sorted by id. Unchanged parts are the same objects. */
export function applyChanges(before: readonly GuestTree[], changes: GuestsChanges): readonly GuestTree[] {
  const guests = new Map(before.map((guest) => [guest.name, guest]));
  for (const { guest, containers, gone } of changes.guests) {
    const merged = new Map(guests.get(guest.name)?.containers.map((container) => [container.id, container]));
    for (const id of gone) merged.delete(id);
    for (const container of containers) merged.set(container.id, container);
    const sorted = [...merged.values()].toSorted((a, b) => a.id.localeCompare(b.id));
    guests.set(guest.name, { ...guest, containers: sorted });
  }
  for (const name of changes.gone) guests.delete(name);
  return [...guests.values()].toSorted((a, b) => a.name.localeCompare(b.name));
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
