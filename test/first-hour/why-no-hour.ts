import { statfsSync } from "node:fs";
import { whyNoDebianRoot } from "../nightly/testing/why-no-debian-root.ts";

const BYTES_NEEDED = 12e9;

/** Returns why this machine can't have another Debian in a folder of /var/tmp, or undefined. */
export function whyNoHour(): string | undefined {
  const why = whyNoDebianRoot();
  if (why !== undefined) return why;
  const { bavail, bsize } = statfsSync("/var/tmp");
  return bavail * bsize < BYTES_NEEDED ? "less than 12 GB are free in /var/tmp" : undefined;
}
