import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseJson } from "../../lib/parse-json.ts";
import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { sha256Of } from "../digest.ts";
import { exists } from "../exists.ts";
import { describeEntry } from "../manifest/describe-tree.ts";
import { MANIFEST, type Manifest, type ManifestFile } from "../manifest/manifest.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { type Check, shown } from "./check.ts";
import type { Inspected } from "./inspect-file.ts";
import { MODULE_LIST } from "./module-checks.ts";

const MOST_LINES = 20;
/** Entries that mkfs.ext4 adds, and the one added when a root becomes an initramfs. */
const MAY_BE_MORE = new Set(["lost+found", "init"]);

/** Finds the manifest of a build beside the image or in the folders above it; undefined if there is none. */
export async function findManifest(path: string, given?: string): Promise<Manifest | undefined> {
  const places = given === undefined ? [join(path, MANIFEST), join(dirname(path), MANIFEST)] : [given];
  for (const place of [...places, ...(given === undefined ? [join(dirname(dirname(path)), MANIFEST)] : [])]) {
    if (given !== undefined || (await exists(place))) return readManifest(place);
  }
  return undefined;
}

async function readManifest(file: string): Promise<Manifest> {
  try {
    const manifest = parseJson(await readFile(file, "utf8"), file) as Manifest;
    const lists = [manifest.files, manifest.boot, manifest.sources];
    if (manifest.format === 1 && lists.every((list) => Array.isArray(list))) return manifest;
    throw new Error("unsupported format");
  } catch (error) {
    throw new BuildError(`manifest ${error instanceof SyntaxError ? "" : `${file}: `}${reason(error)}`);
  }
}

/**
 * Compares an output with its build's manifest, file by file. Returns no checks for files that the manifest doesn't
 * cover.
 */
export function manifestChecks({ file, kind, tree, sha256 }: Inspected, manifest: Manifest): readonly Check[] {
  const lists = bootLists(manifest, file);
  if (kind === "kernel") {
    const kernels = lists.flatMap(({ kernel }) => kernel);
    if (kernels.length === 0) return [];
    const same = kernels.includes(sha256);
    return [{ name: NAME, ok: same, detail: same ? "same kernel" : "different kernel" }];
  }
  if (tree === undefined) return [];
  const whole = isWholeRoot(kind, tree, manifest);
  if (!whole && lists.every(({ initramfs }) => initramfs.length === 0)) return initChecks(tree, manifest);
  // A whole root packed as an initramfs also contains the modules.
  const wanted = lists.map(({ initramfs }) => {
    const boot = !whole || tree.has(MODULE_LIST) ? initramfs : [];
    return whole ? [...manifest.files, ...boot.filter(({ path }) => path !== "init")] : boot;
  });
  const compared = wanted.filter(({ length }) => length > 0).map((files) => compare(kind, tree, files, whole));
  return compared.toSorted((a, b) => failures(a) - failures(b))[0] ?? [];
}

const NAME = "matches the manifest";
const failures = (checks: readonly Check[]) => checks.filter(({ ok }) => !ok).length;

interface BootList {
  /** Digest of the kernel, if known. */
  readonly kernel: readonly string[];
  readonly initramfs: readonly ManifestFile[];
}

/**
 * Groups the boot files by folder. Returns the group of the file's own folder, or else all groups; always at least one,
 * which can be empty.
 */
function bootLists({ boot }: Manifest, file: string): readonly BootList[] {
  const lists = new Map<string, { kernel: string[]; initramfs: ManifestFile[] }>();
  for (const one of boot) {
    const [, folder = "image", archive, path = ""] = /^(?:([^:/]*)\/)?(?:([^:/]*):)?(.*)$/s.exec(one.path) ?? [];
    const list = lists.get(folder) ?? { kernel: [], initramfs: [] };
    lists.set(folder, list);
    if (archive !== undefined) list.initramfs.push({ ...one, path });
    else if (one.part === "kernel" && one.sha256 !== undefined) list.kernel.push(one.sha256);
  }
  const own = lists.get(basename(dirname(file)));
  const all = own === undefined ? [...lists.values()] : [own];
  return all.length > 0 ? all : [{ kernel: [], initramfs: [] }];
}

function compare(kind: string, tree: Tree, wanted: readonly ManifestFile[], whole: boolean): readonly Check[] {
  const byPath = new Map(wanted.map((file) => [file.path, file]));
  const owners = !kind.includes("squashfs");
  const differences = [
    ...wanted.flatMap((file) => difference(file, tree.get(file.path), owners)),
    ...[...tree].flatMap(([path, { type }]) =>
      byPath.has(path) || MAY_BE_MORE.has(path) || (!whole && type === "directory")
        ? []
        : [`/${shown(path)}: not in the manifest`],
    ),
  ];
  if (differences.length === 0)
    return [{ name: NAME, ok: true, detail: `${wanted.length} entries with their digests` }];
  const more = differences.length > MOST_LINES ? [`and ${differences.length - MOST_LINES} more`] : [];
  return [...differences.slice(0, MOST_LINES), ...more].map((detail) => ({ name: NAME, ok: false, detail }));
}

/** True unless the tree is an initramfs with only /init and modules. */
function isWholeRoot(kind: string, tree: Tree, { files }: Manifest): boolean {
  if (!kind.startsWith("initramfs") || !tree.has(MODULE_LIST)) return true;
  return files.some(({ path, type }) => type === "file" && path !== "init" && tree.get(path)?.type === "file");
}

/** Checks that init is the root's, for an initramfs whose kernel the manifest doesn't cover. */
function initChecks(tree: Tree, { files }: Manifest): readonly Check[] {
  const wanted = files.find(({ path }) => path === "usr/sbin/init")?.sha256;
  const init = tree.get("init");
  if (wanted === undefined || init?.type !== "file") return [];
  const same = sha256Of(init.content) === wanted;
  return [
    { name: "/init matches the manifest", ok: same, detail: same ? "same as the root's" : "differs from the root's" },
  ];
}

function difference(file: ManifestFile, entry: TreeEntry | undefined, owners: boolean): readonly string[] {
  const path = `/${shown(file.path)}`;
  if (entry === undefined) return [`${path}: missing`];
  const found = describeEntry(entry);
  if (found.type !== file.type) return [`${path}: a ${found.type}, not a ${file.type}`];
  const fields = ["mode", "sha256", "target", ...(owners ? (["owner"] as const) : [])] as const;
  return fields
    .filter((field) => found[field] !== file[field])
    .map((field) => {
      if (field === "sha256") return `${path}: different content`;
      return `${path}: ${field} ${shown(found[field] ?? "of root")}, not ${shown(file[field] ?? "of root")}`;
    });
}
