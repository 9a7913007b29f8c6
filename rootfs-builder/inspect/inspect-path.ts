import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { directoryStore } from "../../image/blob-store.ts";
import { BuildError } from "../build-error.ts";
import { exists } from "../exists.ts";
import { MANIFEST, type Manifest } from "../manifest/manifest.ts";
import { PROFILES } from "../profiles/profiles.ts";
import { attempt, type Check, check } from "./check.ts";
import { diskParts, isDisk } from "./disk-parts.ts";
import { type Inspected, inspectFile } from "./inspect-file.ts";
import { findManifest, manifestChecks } from "./manifest-checks.ts";
import { ociChecks } from "./oci-layout.ts";
import { verityRoot, veritySuperblock } from "./verity-tree.ts";

export type { Inspected } from "./inspect-file.ts";

export interface Inspection {
  readonly files: readonly Inspected[];
  /** Checks across several files. */
  readonly checks: readonly Check[];
  /** The build's manifest, if one was found. */
  readonly manifest?: Manifest | undefined;
}

export interface InspectOptions {
  /** Path of the build's manifest; by default, the one beside the image or above it. */
  readonly manifest?: string;
  /** Expected root hash of the verity tree, in hexadecimal. */
  readonly rootHash?: string;
}

/** Manifests, notes and other files that are not part of an image. */
const BESIDE = /^\.|\.(json|md|txt|yaml|yml|log|sha256|roothash)$/;

/** Folders of a build's outputs, below the folder it was built to. */
const BELOW = ["image", "kata", "outputs", ...PROFILES.filter((name) => name !== "kata")];

/** Inspects one file, all images in a folder, or all outputs of a build, and how they fit together. */
export async function inspectPath(path: string, options: InspectOptions = {}): Promise<Inspection> {
  if (!(await exists(path))) throw new BuildError(`${path}: no such file or folder`);
  const manifest = await findManifest(resolve(path), options.manifest);
  const { files, checks } = await lookInto(path, options);
  if (manifest === undefined) return { files, checks };
  const compared = files.map((one) => ({ ...one, checks: [...one.checks, ...manifestChecks(one, manifest)] }));
  return { files: compared, checks, manifest };
}

async function lookInto(path: string, options: InspectOptions): Promise<Inspection> {
  if (!(await stat(path)).isDirectory()) return together([await inspectFile(path, options.rootHash)], options);
  if (await exists(join(path, "oci-layout"))) return { files: [await inspectOci(path)], checks: [] };
  const ofBuild = await exists(join(path, MANIFEST));
  const files = ofBuild ? [] : await inspectFiles(path, options);
  if (files.length > 0) return together(files, options);
  const found: Inspection[] = [];
  for (const name of BELOW) {
    const below = join(path, name);
    if (await exists(below)) found.push(await together(await inspectFiles(below, options), options));
  }
  if (found.every((one) => one.files.length === 0)) {
    // Images that someone put beside the manifest itself.
    const beside = ofBuild ? await inspectFiles(path, options) : [];
    if (beside.length === 0) throw new BuildError(`${path}: contains no image`);
    return together(beside, options);
  }
  return { files: found.flatMap((one) => one.files), checks: found.flatMap((one) => one.checks) };
}

async function inspectFiles(path: string, options: InspectOptions): Promise<readonly Inspected[]> {
  const entries = (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const files: Inspected[] = [];
  for (const entry of entries) {
    const one = join(path, entry.name);
    if (entry.isFile() && !BESIDE.test(entry.name)) files.push(await inspectFile(one, options.rootHash));
    if (entry.isDirectory() && (await exists(join(one, "oci-layout")))) files.push(await inspectOci(one));
  }
  return files;
}

async function inspectOci(directory: string): Promise<Inspected> {
  return {
    file: directory,
    kind: "OCI layout",
    bytes: 0,
    sha256: "",
    checks: await attempt("OCI layout", () => ociChecks(directoryStore(directory), directory)),
  };
}

async function together(files: readonly Inspected[], options: InspectOptions): Promise<Inspection> {
  const kernel = files.find(({ kind }) => kind === "kernel")?.release;
  const modules = files.filter(({ kind, release }) => kind !== "kernel" && release !== undefined);
  const checks: Check[] = [];
  for (const { file, release } of kernel === undefined ? [] : modules) {
    checks.push(
      check(`modules of ${basename(file)} and the kernel`, release === kernel, String(release), kernel ?? ""),
    );
  }
  const data = files
    .filter(({ kind }) => !/^(kernel|initramfs|verity|OCI|docker|\?)/.test(kind))
    .map(({ file }) => file);
  for (const { file } of files.filter(({ kind }) => kind === "verity hashes")) {
    checks.push(...(await attempt("verity", () => verityChecks(file, data, options))));
  }
  return { files, checks };
}

/** Checks that the hashes match one of the images: either the whole file or only its file system. */
async function verityChecks(file: string, data: readonly string[], options: InspectOptions): Promise<readonly Check[]> {
  const name = `verity tree of ${basename(file)}`;
  if (data.length === 0) return [];
  const hashes = await readFile(file);
  for (const one of data) {
    const bytes = await readFile(one);
    const { partition } = isDisk(bytes) ? diskParts(bytes) : { partition: undefined };
    const parts = partition === undefined ? [] : [bytes.subarray(partition.offset, partition.offset + partition.size)];
    for (const part of [...parts, bytes]) {
      const rootHash = matchingRoot(hashes, part);
      if (rootHash === undefined) continue;
      const wanted = options.rootHash ?? rootHash;
      return [
        { name, ok: true, detail: `matches ${basename(one)}` },
        check("verity root hash", rootHash === wanted, rootHash, wanted),
      ];
    }
  }
  return [
    check(name, false, `matches none of ${data.map((one) => basename(one)).join(", ")}`, "an image with these hashes"),
  ];
}

/** Returns the root hash if the hashes match the data. */
function matchingRoot(hashes: Buffer, data: Buffer): string | undefined {
  try {
    const superblock = veritySuperblock(hashes);
    const tree = hashes.subarray(superblock.hashBlockSize);
    const { rootHash, treeMatches } = verityRoot(superblock, tree, data);
    return treeMatches ? rootHash : undefined;
  } catch (error) {
    if (error instanceof BuildError) return undefined; // the data has fewer blocks than there are hashes
    throw error;
  }
}
