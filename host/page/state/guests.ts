import { signal } from "@preact/signals";
import { applyChanges } from "../../serve/protocol/guest-changes.ts";
import type { ContainerTree, GuestTree } from "../../serve/protocol/guest-tree.ts";
import type { GuestsMessage } from "../../serve/protocol/socket.ts";
import type { LiveSocket } from "./live-socket.ts";
import { sumStreams, UsageHistory } from "./usage-history.ts";

/** All guests; changes at most once for each frame of the display. Undefined until the server has sent them. */
export const guests = signal<readonly GuestTree[] | undefined>(undefined);
/** Counts the samples of usage that were taken, one a second. */
export const samples = signal(0);

const histories = new Map<string, UsageHistory>();

/** Returns the guest of a name, if it exists. */
export function guestNamed(name: string): GuestTree | undefined {
  return guests.value?.find((guest) => guest.name === name);
}

/** Returns the container of an id, if it exists. */
export function containerOf(guest: string, id: string): ContainerTree | undefined {
  return guestNamed(guest)?.containers.find((container) => container.id === id);
}

/** True once the page knows that the guest, or its container, doesn't exist. */
export function isGone(guest: string, container?: string | undefined): boolean {
  if (guests.value === undefined) return false;
  return (container === undefined ? guestNamed(guest) : containerOf(guest, container)) === undefined;
}

/** Returns the usage of a guest, or of one of its containers. */
export function historyOf(guest: string, container?: string | undefined): UsageHistory {
  const key = historyKey(guest, container);
  let history = histories.get(key);
  if (history === undefined) {
    history = new UsageHistory();
    histories.set(key, history);
  }
  return history;
}

/** Follows all guests, for the life of the page. */
export function followGuests(socket: LiveSocket): void {
  let now: readonly GuestTree[] = [];
  let isDrawing = false;
  const draw = () => {
    isDrawing = false;
    guests.value = now;
  };
  socket.open<GuestsMessage>({
    request: () => ({ kind: "guests" }),
    message(update) {
      now = "whole" in update ? update.whole : applyChanges(now, update.changes);
      if (isDrawing) return;
      isDrawing = true;
      requestAnimationFrame(draw);
    },
  });
  setInterval(() => {
    sample(now);
    samples.value++;
  }, 1000);
}

function sample(all: readonly GuestTree[]): void {
  const time = Date.now() / 1000;
  const gone = new Set(histories.keys());
  const add = (key: string, ...[guest, container]: Parameters<typeof historyOf>) => {
    gone.delete(key);
    return historyOf(guest, container);
  };
  for (const { name, usage, containers } of all) {
    add(historyKey(name, undefined), name).add(time, usage, sumStreams(containers.map(({ streams }) => streams)));
    for (const each of containers) add(historyKey(name, each.id), name, each.id).add(time, each.usage, each.streams);
  }
  for (const key of gone) histories.delete(key);
}

/** A guest's name has no slash. */
function historyKey(guest: string, container: string | undefined): string {
  return container === undefined ? guest : `${guest}/${container}`;
}
