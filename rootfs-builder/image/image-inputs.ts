import { type DebianPackage, debianPackage, type PackageGetter } from "../debian/debian-package.ts";
import type { Tree } from "../tree/tree.ts";
import type { Component } from "./contents.ts";

/** What is given to the image from outside of it: packages, and what a recipe adds. */
export interface ImageInputs {
  readonly packageOf: PackageGetter;
  /** Of the recipe's sources; they need not be among those that guestd needs. */
  readonly packages: () => Promise<readonly DebianPackage[]>;
  /** `uname -r`; undefined for the newest of the cache. */
  readonly kernelRelease: () => Promise<string | undefined>;
  /** Digest of what `addSources` adds. */
  readonly sourcesKey: () => Promise<string>;
  /** Merges the sources into a tree; says how much came of each. */
  readonly addSources: (tree: Tree) => Promise<readonly Component[]>;
}

/** No recipe: packages of the cache, and nothing added. */
export function plainInputs(kernelRelease?: string): ImageInputs {
  return {
    packageOf: (name) => debianPackage(name),
    packages: async () => [],
    kernelRelease: async () => kernelRelease,
    sourcesKey: async () => "",
    addSources: async () => [],
  };
}
