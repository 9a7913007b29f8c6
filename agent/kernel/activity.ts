import { channel } from "node:diagnostics_channel";

/** Publishes that a client of guestd.v1.Streams has connected or left, or that a forward or gRPC connection has ended; no details. */
export const activity = channel("guestd.activity");
