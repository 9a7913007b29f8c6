import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { debianArchitecture } from "../debian/architecture.ts";
import type { Licence } from "../debian/copyright.ts";
import type { PackageFacts } from "../debian/package-facts.ts";
import { run } from "../run.ts";
import type { Source } from "./manifest.ts";

/** Qualifier for Debian 12 in a purl. */
const DISTRIBUTION = "distro=debian-12";
/** Entries in process.versions that are not software. */
const NO_SOFTWARE = new Set(["node", "modules", "napi"]);

export function debianSource(facts: PackageFacts): Source {
  const { name, version, architecture, source, sourceVersion, licences, sha256 } = facts;
  return {
    id: `deb:${name}`,
    ...{ name, version, licences },
    purl: `pkg:deb/debian/${encode(name)}@${encode(version)}?arch=${architecture}&${DISTRIBUTION}`,
    hash: { alg: "SHA-256", content: sha256 },
    madeFrom: `${source} ${sourceVersion}`,
  };
}

interface LockEntry {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
}

export async function readNpmLock(root: string): Promise<Readonly<Record<string, LockEntry>>> {
  return JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")).packages;
}

/** @param path folder in package-lock.json, "node_modules/@grpc/grpc-js" */
export function npmSource(path: string, lock: Readonly<Record<string, LockEntry>>): Source {
  const name = path.replace(/^.*node_modules\//, "");
  const { version = "", license, integrity } = lock[path] ?? {};
  const digest = /^sha512-(.*)$/.exec(integrity ?? "")?.[1];
  return {
    id: `npm:${name}@${version}`,
    ...{ name, version },
    licences: license === undefined ? [] : [declaredLicence(license)],
    purl: `pkg:npm/${name.startsWith("@") ? `%40${name.slice(1)}` : name}@${version}`,
    ...(digest === undefined
      ? {}
      : { hash: { alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") } }),
  };
}

/** Returns the licence that a package of npm or Rust declares. Rust's older ones write "/" for OR. */
export function declaredLicence(declared: string): Licence {
  const expression = declared.replaceAll("/", " OR ");
  return /[ ()]/.test(expression) ? { expression } : { id: expression };
}

/** Returns each source once, within all that contain it. */
export function mergeSources(sources: readonly Source[]): readonly Source[] {
  const byId = new Map<string, Source>();
  for (const source of sources) {
    const within = [...(byId.get(source.id)?.within ?? []), ...(source.within ?? [])].sort();
    byId.set(source.id, within.length === 0 ? source : { ...source, within });
  }
  return [...byId.values()];
}

/** Returns Node and the libraries built into it. */
export async function nodeSources(node: string, lock: Readonly<Record<string, LockEntry>>): Promise<readonly Source[]> {
  const packaged = npmSource(`node_modules/node-linux-${process.arch}`, lock);
  const output = await run(node, ["-p", "JSON.stringify(process.versions)"]);
  const versions = Object.entries(JSON.parse(output.toString()) as Record<string, string>);
  const own = versions.filter(([name]) => !NO_SOFTWARE.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [{ ...packaged, id: "node" }, ...own.map(([name, version]) => generic(name, version, ["usr/bin/node"]))];
}

/** A Debian package with a library, the library's name, and the programs that it is linked into. */
export type LinkedLibrary = readonly [debian: string, name: string, within: readonly string[]];

/** Libraries linked into the programs of a guest. */
export const GUEST_LIBRARIES: readonly LinkedLibrary[] = [
  [
    "musl-dev",
    "musl",
    [
      ...["usr/sbin/init", "pause_bundle/rootfs/pause"],
      ...["usr/lib/guestd/container-init", "usr/lib/guestd/keep-core"],
    ],
  ],
  ["libseccomp-dev", "libseccomp", ["usr/lib/guestd/seccomp.node"]],
];

/** Returns libraries linked into programs on this machine, by Debian package; empty if it doesn't run Debian. */
export async function staticSources(parts: readonly LinkedLibrary[]): Promise<readonly Source[]> {
  const found: Source[] = [];
  for (const [name, library, within] of parts) {
    const output = await run("dpkg-query", ["--show", name]).catch(() => "");
    const version = output.toString().trim().split("\t")[1];
    if (version === undefined) continue;
    const purl = `pkg:deb/debian/${name}@${encode(version)}?arch=${debianArchitecture()}&${DISTRIBUTION}`;
    found.push({ id: `static:${library}`, name: library, version, licences: [], purl, within });
  }
  return found;
}

function generic(name: string, version: string, within: readonly string[]): Source {
  return {
    id: `built-in:${name}`,
    name,
    version,
    licences: [],
    purl: `pkg:generic/${encode(name)}@${encode(version)}`,
    within,
  };
}

/** Escapes everything in a purl except letters and colons. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll("%3A", ":");
}
