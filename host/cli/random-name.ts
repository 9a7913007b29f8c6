import { randomBytes } from "node:crypto";

/** "guest-3fa94c1b": a name that nothing else has. */
export function randomName(kind: string): string {
  return `${kind}-${randomBytes(4).toString("hex")}`;
}
