import { channel } from "node:diagnostics_channel";

/** Warnings about storages for the host's log, one line each. They end no call. */
export const storageNotices = channel("guestd.storage.notice");
