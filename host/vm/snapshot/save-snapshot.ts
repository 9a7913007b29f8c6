import { existsSync } from "node:fs";
import { chmod, link, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { copySparse } from "../../../lib/copy-sparse.ts";
import { OWNER_NOTE } from "../../../lib/owned-folder.ts";
import { onProcessEnd } from "../../../lib/process-end.ts";
import { removeTree, removeTreeSync } from "../../../lib/remove-tree.ts";
import { makeTemporaryFolder } from "../../private-folder.ts";
import type { Machine } from "../guest-options.ts";
import { MachineError } from "../machine-error.ts";
import type { Qmp } from "../qmp.ts";
import { processorOf } from "./check-machine.ts";
import { commandShape } from "./command-shape.ts";
import { fileDigest } from "./file-digest.ts";
import { saveState } from "./machine-state.ts";
import { type BootFile, FILES, FORMAT, type Manifest, writableFile } from "./manifest.ts";
import { copyMemory, findMemory } from "./memory-file.ts";

const MIB = 1 << 20;

/** The part of a manifest that a guest's owner knows. */
export type SnapshotFacts = Pick<Manifest, "guest" | "epoch" | "notes">;

type BootFiles = Pick<Manifest, "kernel" | "initrd" | "image" | "disks">;

/** A running QEMU whose devices can all be in a snapshot. */
export interface SavedMachine {
  readonly machine: Machine;
  readonly vsock: Manifest["vsock"];
  readonly pid: number;
  readonly qmp: Qmp;
  /** Free path for a socket. */
  readonly socket: string;
  /** True to write the snapshot to the disk before it appears. */
  readonly isDurable: boolean;
  /** True to copy no disk that the guest writes. */
  readonly keepsDisks: boolean;
}

/**
 * Writes a snapshot of a guest to a new folder, and leaves the guest stopped. The folder is complete from the moment it
 * appears, and nothing stays if this fails or the process ends. Throws MachineError.
 */
export async function saveSnapshot(
  directory: string,
  saved: SavedMachine,
  facts: SnapshotFacts,
  signal?: AbortSignal,
): Promise<Manifest> {
  if (existsSync(directory)) throw existing(directory);
  const memory = findMemory(saved.pid);
  if (memory === undefined)
    throw new MachineError(`save ${directory}: its guest maps a template's memory; boot another`);
  const staging = makeTemporaryFolder("saving-", dirname(directory));
  const forget = onProcessEnd(() => removeTreeSync(staging));
  try {
    const files = await bootFiles(saved.machine);
    signal?.throwIfAborted();
    await saved.qmp.execute("stop");
    await saveState(saved.qmp, join(staging, FILES.state), saved);
    await keepDisks(saved.machine, staging);
    if (!saved.keepsDisks) await copyWritable(saved, staging);
    const extents = await saveMemory(memory, join(staging, FILES.memory), saved, signal);
    const manifest: Manifest = {
      format: FORMAT,
      createdAt: new Date().toISOString(),
      ...facts,
      qemu: saved.qmp.version,
      processor: await processorOf(saved.machine.accelerator),
      machine: saved.machine,
      command: commandShape(saved.machine),
      ...files,
      vsock: saved.vsock,
      stateBytes: (await stat(join(staging, FILES.state))).size,
      extents,
    };
    await writeFile(join(staging, FILES.manifest), JSON.stringify(manifest), { mode: 0o600, flush: saved.isDurable });
    signal?.throwIfAborted();
    await publish(staging, directory, saved.isDurable);
    return manifest;
  } catch (error) {
    await removeTree(staging);
    throw oneLineError(directory, saved.machine, error);
  } finally {
    forget();
  }
}

async function saveMemory(
  memory: string,
  file: string,
  { machine, isDurable }: SavedMachine,
  signal: AbortSignal | undefined,
): Promise<Manifest["extents"]> {
  await using from = await open(memory, "r");
  await using to = await open(file, "wx", 0o600);
  const extents = await copyMemory(from, to, machine.memoryMib * MIB, signal);
  if (isDurable) await to.sync();
  return extents;
}

/** Returns the files that the guest was booted from, and its disks, with digests. */
async function bootFiles({ kernel, initrd, image, disks = [] }: Machine): Promise<BootFiles> {
  const file = async (path: string): Promise<BootFile> => ({ path, digest: await fileDigest(path) });
  return {
    kernel: await file(kernel),
    ...(initrd === undefined ? {} : { initrd: await file(initrd) }),
    ...(image === undefined ? {} : { image: await file(image.path) }),
    disks: await Promise.all(disks.map((disk) => file(disk.file))),
  };
}

/** Gives the disks a second name in the snapshot, by which their store knows that they are needed. Elsewhere they may go. */
async function keepDisks({ disks = [] }: Machine, staging: string): Promise<void> {
  for (const [index, { file }] of disks.entries()) {
    await link(file, join(staging, `disk-${index}`)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EXDEV" && error.code !== "EPERM") throw error;
    });
  }
}

/** Copies the disks that the guest, which is stopped, writes. */
async function copyWritable({ machine: { writable = [] }, isDurable }: SavedMachine, staging: string): Promise<void> {
  for (const [index, { file }] of writable.entries()) {
    const copy = join(staging, writableFile(index));
    await copySparse(file, copy);
    await using opened = await open(copy, "r");
    if (isDurable) await opened.sync();
  }
}

/** Makes the complete folder appear under its name. */
async function publish(staging: string, directory: string, isDurable: boolean): Promise<void> {
  await chmod(staging, 0o700);
  if (isDurable) await syncFolder(staging);
  await rename(staging, directory);
  await rm(join(directory, OWNER_NOTE), { force: true });
  if (isDurable) await syncFolder(dirname(directory));
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}

function oneLineError(directory: string, { memoryMib }: Machine, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new MachineError(`save ${directory}: the disk is full; free up to ${memoryMib} MiB there`, { cause: error });
  }
  return code === "ENOTEMPTY" || code === "EEXIST" ? existing(directory) : error;
}

function existing(directory: string): MachineError {
  return new MachineError(`save ${directory}: it already exists; choose another name`);
}
