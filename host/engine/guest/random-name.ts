import { randomBytes } from "node:crypto";

/** Returns a unique name such as "guest-3fa94c1b". */
export function randomName(kind: string): string {
  return `${kind}-${randomBytes(4).toString("hex")}`;
}

/** True for names that `randomName` has made. Only these may be abbreviated: a name of the user's own means itself alone. */
export function isRandomName(name: string): boolean {
  return /^[a-z]+-[0-9a-f]{8}$/.test(name);
}
