import { readFileSync } from "node:fs";

/** Returns the umask of this process. Node's own way of reading it sets it for a moment, in all threads. */
export function currentUmask(): number {
  const [, octal = "077"] = /^Umask:\s*([0-7]+)$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  return Number.parseInt(octal, 8);
}
