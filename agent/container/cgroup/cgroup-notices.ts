import { channel } from "node:diagnostics_channel";

/** Publishes one line for each limit that is skipped or unchanged because the guest or its kernel can't apply it. */
export const cgroupNotices = channel("guestd.cgroup.notice");
