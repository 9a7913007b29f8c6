import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Returns a directory for downloads and expensive results, shared by all work trees: $GUESTD_CACHE or ~/.cache/guestd.
 */
export function cacheDirectory(...parts: string[]): string {
  return join(process.env["GUESTD_CACHE"] ?? join(homedir(), ".cache", "guestd"), ...parts);
}
