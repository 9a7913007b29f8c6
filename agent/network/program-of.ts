import type { Network } from "./network.ts";

/** Returns the first path that exists. If none does, returns the first of all, so that the error names it. */
export function programOf(network: Pick<Network, "files">, paths: readonly [string, ...string[]]): string {
  return paths.find((path) => network.files.exists(path)) ?? paths[0];
}
