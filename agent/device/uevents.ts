import { parseUevent, type Uevent } from "./uevent.ts";

/** Undefined means that events were lost, so any device may have come or gone. */
export type UeventListener = (event: Uevent | undefined) => void;

/** Passes the kernel's uevents on to all listeners. */
export class Uevents {
  readonly #listeners = new Set<UeventListener>();

  /** Takes a message from the kernel. Drops one that can't be parsed. */
  take(message: Uint8Array | undefined): void {
    const event = message === undefined ? undefined : parseUevent(message);
    if (message !== undefined && event === undefined) return;
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Subscribes until the returned function is called. A listener must not throw. */
  subscribe(listener: UeventListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
