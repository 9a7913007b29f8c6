import { type DebianPackage, debianPackage, type PackageGetter } from "../debian/debian-package.ts";
import type { Tree } from "../tree/tree.ts";
import type { Component } from "./contents.ts";

/** Inputs from outside guestd: Debian packages and a recipe's sources. */
export interface ImageInputs {
  readonly packageOf: PackageGetter;
  /** The recipe's own packages, which can be different from those that guestd needs. */
  readonly packages: () => Promise<readonly DebianPackage[]>;
  /** `uname -r`; undefined selects the newest kernel in the cache. */
  readonly kernelRelease: () => Promise<string | undefined>;
  /** Digest of everything that `addSources` adds. */
  readonly sourcesKey: () => Promise<string>;
  /** Merges the sources into a tree and returns how many bytes each one added. */
  readonly addSources: (tree: Tree) => Promise<readonly Component[]>;
}

/** Inputs without a recipe: packages from the cache, and no sources. */
export function plainInputs(kernelRelease?: string): ImageInputs {
  return {
    packageOf: (name) => debianPackage(name),
    packages: async () => [],
    kernelRelease: async () => kernelRelease,
    sourcesKey: async () => "",
    addSources: async () => [],
  };
}
