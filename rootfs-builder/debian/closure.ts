import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import { alternatives, stanzas } from "./stanzas.ts";

/** A package in apt's lists. */
export interface KnownPackage {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the .deb, in hexadecimal. */
  readonly sha256: string;
}

/** Packages that only maintainer scripts need, which don't run here. */
const FOR_SCRIPTS = new Set([
  ...["adduser", "cdebconf", "debconf", "debconf-2.0", "dpkg", "init-system-helpers", "install-info"],
  ...["lsb-base", "sysvinit-utils", "ucf"],
]);

/**
 * A package name in the output of apt-cache. A package of another architecture is "name:arch", a virtual one "<name>".
 */
const NAME = /^[a-z0-9][a-z0-9.+-]+$/;
const NOT_FOLLOWED = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map(
  (kind) => `--no-${kind}`,
);

/**
 * Returns packages with all their dependencies in apt's lists, sorted by name: Depends and Pre-Depends; among
 * alternatives, one that is already included, otherwise the first that apt knows. Ignores Recommends.
 */
export async function packageClosure(names: readonly string[]): Promise<readonly KnownPackage[]> {
  const known = await knownPackages(names);
  const providers = new Map<string, string>();
  for (const [name, fields] of known) {
    for (const [virtual = ""] of alternatives(fields.get("Provides"))) {
      if (!providers.has(virtual)) providers.set(virtual, name);
    }
  }
  const chosen = new Set<string>(names);
  for (const name of chosen) {
    const fields = known.get(name);
    if (fields === undefined) throw new BuildError(`package ${name}: unknown to apt: run apt-get update as root`);
    const parts = [...alternatives(fields.get("Pre-Depends")), ...alternatives(fields.get("Depends"))];
    for (const part of parts) {
      if (part.some((one) => FOR_SCRIPTS.has(one) || chosen.has(one) || chosen.has(providers.get(one) ?? ""))) continue;
      const real = part.find((one) => known.has(one));
      const provider = part.map((one) => providers.get(one)).find((one) => one !== undefined);
      const taken = real ?? provider;
      if (taken === undefined)
        throw new BuildError(`package ${name}: needs ${part.join(" or ")}, which apt doesn't have`);
      chosen.add(taken);
    }
  }
  return [...chosen].sort().map((name) => describe(name, known.get(name)));
}

/** Returns the entries in apt's lists for some packages and everything they could depend on, sorted by name. */
async function knownPackages(names: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const reached = new Set<string>();
  // apt-cache prints a dependency on "name:any" but doesn't follow it.
  for (let ask = [...names]; ask.length > 0; ) {
    const lines = (await ofApt(names, ["depends", "--recurse", ...NOT_FOLLOWED, ...ask])).split("\n");
    for (const name of [...ask, ...lines.filter((line) => NAME.test(line))]) reached.add(name);
    const any = lines.flatMap((line) => /^\s*(?:\|?(?:Pre)?Depends: )?<?([a-z0-9.+-]+):any>?$/.exec(line)?.[1] ?? []);
    ask = [...new Set(any)].filter((name) => !reached.has(name));
  }
  const shown = await ofApt(names, ["show", "--no-all-versions", ...reached]);
  const all = stanzas(shown).map((fields) => [fields.get("Package") ?? "", fields] as const);
  return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function ofApt(names: readonly string[], args: readonly string[]): Promise<string> {
  try {
    return (await run("apt-cache", args)).toString();
  } catch (error) {
    const why = reason(error).replace(/^apt-cache .*?: ended with /, "apt-cache ended with ");
    throw new BuildError(`packages ${names.join(", ")}: ${why}: if the names are right, run apt-get update as root`);
  }
}

function describe(name: string, fields: ReadonlyMap<string, string> | undefined): KnownPackage {
  const version = fields?.get("Version");
  const sha256 = fields?.get("SHA256");
  if (version === undefined || sha256 === undefined) {
    throw new BuildError(`package ${name}: apt has no version of it to download: run apt-get update as root`);
  }
  return { name, version, sha256 };
}
