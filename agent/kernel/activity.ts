import { channel } from "node:diagnostics_channel";

/** Publishes that a client of guestd.v1.Streams has connected or left, or that a forward has ended; without details. */
export const activity = channel("guestd.activity");
