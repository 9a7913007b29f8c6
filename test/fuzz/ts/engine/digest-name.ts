import { createHash } from "node:crypto";

/** Returns the file name of an input. */
export const digestName = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
