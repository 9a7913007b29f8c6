import type { Crate } from "../crates.ts";

/** Returns a crate as `cargo metadata` describes it. */
export function crate(name: string, version: string, license: string | null, kind = "lib"): Crate {
  return { id: name, name, version, license, manifest_path: `/crates/${name}/Cargo.toml`, targets: [{ kind: [kind] }] };
}
