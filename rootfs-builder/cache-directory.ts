import { homedir } from "node:os";
import { join } from "node:path";

/** A folder for what is downloaded or costly to make and shared by all work trees: $GUESTD_CACHE or ~/.cache/guestd. */
export function cacheDirectory(...parts: string[]): string {
  return join(process.env["GUESTD_CACHE"] ?? join(homedir(), ".cache", "guestd"), ...parts);
}
