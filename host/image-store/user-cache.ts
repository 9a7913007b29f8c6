import { join } from "node:path";
import { cacheDirectory } from "../machine/paths.ts";

/** Returns the path of a folder in this user's cache. */
export function userCache(name: string): string {
  const { XDG_CACHE_HOME: cache = "" } = process.env;
  return join(cache === "" ? cacheDirectory() : join(cache, "guestd"), name);
}
