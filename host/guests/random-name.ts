import { randomBytes } from "node:crypto";

/** Returns a unique name such as "guest-3fa94c1b". */
export function randomName(kind: string): string {
  return `${kind}-${randomBytes(4).toString("hex")}`;
}
