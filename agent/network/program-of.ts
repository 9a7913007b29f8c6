import type { Network } from "./network.ts";

/** The first of the paths that is there; else the first of all, for the error that names it. */
export function programOf(network: Pick<Network, "files">, paths: readonly [string, ...string[]]): string {
  return paths.find((path) => network.files.exists(path)) ?? paths[0];
}
