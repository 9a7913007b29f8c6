import type { EventGap, GuestEvent } from "../../client/streams/guest-event.ts";

/** Something that happened in the sandbox's guest, or events that are no longer kept. Numbers begin with 1 at its boot. */
export type SandboxEvent = GuestEvent | EventGap;

/** Options of `sandbox.events`. */
export interface EventsOptions {
  /** Number of the first event. Default: the next one that happens, or without `follow` the oldest. */
  readonly from?: number;
  /** False to end with the last event so far. Default: true. */
  readonly follow?: boolean;
}
