import { channel } from "node:diagnostics_channel";

/** What a host may want to know of a storage, and that ends no call: lines. */
export const storageNotices = channel("guestd.storage.notice");
