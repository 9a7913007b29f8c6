import { parseUevent, type Uevent } from "./uevent.ts";

/** Undefined: some were lost, so that anything may have come or gone. */
export type UeventListener = (event: Uevent | undefined) => void;

/** The kernel's events of devices, for all who wait for one. */
export class Uevents {
  readonly #listeners = new Set<UeventListener>();

  /** A message as it comes from the kernel; what is none is dropped. */
  take(message: Uint8Array | undefined): void {
    const event = message === undefined ? undefined : parseUevent(message);
    if (message !== undefined && event === undefined) return;
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Until the function that it gives is called. A listener doesn't throw. */
  subscribe(listener: UeventListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
