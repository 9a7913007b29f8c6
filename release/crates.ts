import type { Source } from "../rootfs-builder/manifest/manifest.ts";
import { declaredLicence } from "../rootfs-builder/manifest/sources.ts";

/** A crate, in `cargo metadata`. */
export interface Crate {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly license: string | null;
  readonly manifest_path: string;
  readonly targets: readonly { readonly kind: readonly string[] }[];
}

/** Parts of the output of `cargo metadata --format-version 1`. */
export interface CargoMetadata {
  readonly packages: readonly Crate[];
  readonly resolve: {
    readonly root: string;
    readonly nodes: readonly {
      readonly id: string;
      /** Edges of kind null if the program contains the crate, otherwise "dev" or "build". */
      readonly deps: readonly {
        readonly pkg: string;
        readonly dep_kinds: readonly { readonly kind: string | null }[];
      }[];
    }[];
  };
}

/** Returns the crates that a program contains, itself first: not those that only run while it is built or tested. */
export function cratesOf({ packages, resolve }: CargoMetadata): readonly Crate[] {
  const byId = new Map(packages.map((crate) => [crate.id, crate]));
  const needs = new Map(resolve.nodes.map(({ id, deps }) => [id, deps]));
  const found = new Map<string, Crate>();
  const visit = (id: string) => {
    const crate = byId.get(id);
    if (crate === undefined || found.has(id) || crate.targets.some(({ kind }) => kind.includes("proc-macro"))) return;
    found.set(id, crate);
    for (const { pkg, dep_kinds } of needs.get(id) ?? []) if (dep_kinds.some(({ kind }) => kind === null)) visit(pkg);
  };
  visit(resolve.root);
  return [...found.values()];
}

/** Returns the crate as the source of a part of `program`. */
export function crateSource({ name, version, license }: Crate, program: string): Source {
  return {
    id: `cargo:${name}@${version}`,
    ...{ name, version },
    licences: license === null ? [] : [declaredLicence(license)],
    purl: `pkg:cargo/${name}@${version}`,
    within: [program],
  };
}
