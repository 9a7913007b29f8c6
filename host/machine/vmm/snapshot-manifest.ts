import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../../../lib/parse-json.ts";
import { reason } from "../../../lib/reason.ts";
import { MachineError } from "../machine-error.ts";
import { processorOf } from "../snapshot/check-machine.ts";
import { fileDigest } from "../snapshot/file-digest.ts";
import { AGAIN, type BootFile } from "../snapshot/manifest.ts";
import type { VmmVersion } from "./machine-control.ts";

/** Raised when an older snapshot can't be restored any more. */
const FORMAT = 1;

const NAME = "manifest.json";

const KINDS = ["kernel", "initrd", "image"] as const;

/** Files that a guest booted from, or has as a read-only disk, by their kind. */
export type BootPaths = Partial<Readonly<Record<(typeof KINDS)[number], string>>>;

/** Everything that must be the same for a clone. A snapshot's folder is complete if it has a manifest. */
export interface VmmManifest {
  readonly format: typeof FORMAT;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Epoch of the guest at that moment; a clone's is higher. */
  readonly epoch: number;
  readonly vmm: VmmVersion;
  /** Model and flags of the host's processor. */
  readonly processor: string;
  readonly kernel?: BootFile;
  readonly initrd?: BootFile;
  readonly image?: BootFile;
  /** Sizes in bytes of the files that the VMM wrote, by name. */
  readonly files: Readonly<Record<string, number>>;
}

/** Returns the digests of boot files. Throws MachineError. */
export async function bootFiles(paths: BootPaths): Promise<Pick<VmmManifest, (typeof KINDS)[number]>> {
  const found: [string, BootFile][] = [];
  for (const kind of KINDS) {
    const path = paths[kind];
    if (path === undefined) continue;
    const digest = await fileDigest(path).catch((error: unknown) => {
      throw new MachineError(`snapshot: ${kind} ${path}: ${reason(error)}; name the guest's ${kind}`, { cause: error });
    });
    found.push([kind, { path, digest }]);
  }
  return Object.fromEntries(found);
}

/** Writes the manifest of the snapshot in `folder`, last and at once. */
export async function writeManifest(
  folder: string,
  facts: Omit<VmmManifest, "format" | "createdAt" | "processor" | "files">,
): Promise<VmmManifest> {
  const manifest: VmmManifest = {
    format: FORMAT,
    createdAt: new Date().toISOString(),
    ...facts,
    processor: await processorOf("kvm"),
    files: await sizes(folder),
  };
  const path = join(folder, NAME);
  await writeFile(`${path}.new`, `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return manifest;
}

/** Reads a snapshot's manifest and compares it with this machine and its files. Throws MachineError. */
export async function checkedManifest(folder: string): Promise<VmmManifest> {
  const manifest = await readManifest(folder);
  const processor = await processorOf("kvm");
  if (processor !== manifest.processor) {
    throw failure(folder, `its processor was ${manifest.processor}, and this one is ${processor}`);
  }
  for (const kind of KINDS) {
    const file = manifest[kind];
    if (file === undefined) continue;
    const digest = await fileDigest(file.path).catch((error: unknown) => {
      throw failure(folder, `${kind} ${file.path}: ${reason(error)}`, error);
    });
    if (digest !== file.digest) throw failure(folder, `${kind} ${file.path} has changed since`);
  }
  const now = await sizes(folder);
  for (const [name, size] of Object.entries(manifest.files)) {
    if (now[name] !== size) throw failure(folder, `${name} had ${size} bytes, and has ${now[name] ?? "none"}`);
  }
  return manifest;
}

async function readManifest(folder: string): Promise<VmmManifest> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(folder, NAME), "utf8"));
  } catch (error) {
    throw failure(folder, `no complete snapshot (${reason(error)})`, error);
  }
  if (!isJsonObject(value) || value["format"] !== FORMAT || !isJsonObject(value["vmm"])) {
    throw failure(folder, "its manifest is damaged, of another format or of QEMU");
  }
  // takeSnapshot wrote it, into a folder that only this user can access.
  return value as unknown as VmmManifest;
}

async function sizes(folder: string): Promise<Record<string, number>> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith(NAME)).toSorted();
  const found = names.map(async (name) => [name, (await stat(join(folder, name))).size] as const);
  return Object.fromEntries(await Promise.all(found));
}

function failure(folder: string, why: string, cause?: unknown): MachineError {
  return new MachineError(`clone of ${folder}: ${why}; ${AGAIN}`, { cause });
}
