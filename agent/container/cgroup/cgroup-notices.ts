import { channel } from "node:diagnostics_channel";

/** Limits that are left out, as the guest hasn't got what they are for: lines. */
export const cgroupNotices = channel("guestd:cgroup:notice");
