import { createHash } from "node:crypto";

/** The name of an input's file. */
export const digestName = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
