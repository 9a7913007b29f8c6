import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../../../lib/parse-json.ts";
import type { Machine } from "../guest-options.ts";
import { MachineError } from "../machine-error.ts";
import type { VsockKind } from "../vsock-device.ts";
import type { Extent } from "./memory-file.ts";

/** Raised when a snapshot of an older guestctl can't be restored any more. */
export const FORMAT = 1;

/** Files of a snapshot's folder. */
export const FILES = { manifest: "manifest.json", state: "state", memory: "memory" } as const;

/** Begins the names of the copies of `machine.writable`. */
export const WRITABLE = "writable-";

/** Returns the name of the copy of a writable disk. */
export function writableFile(index: number): string {
  return `${WRITABLE}${index}`;
}

/** A file that the guest booted from or has as a disk. */
export interface BootFile {
  readonly path: string;
  /** SHA-256 in hexadecimal digits. */
  readonly digest: string;
}

/** Everything about a snapshot but the state of its devices and its memory. */
export interface Manifest {
  readonly format: typeof FORMAT;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Epoch of the guest at that moment; a clone's is higher. */
  readonly epoch: number;
  /** Name of the guest. */
  readonly guest: string;
  /** QEMU's version with the distribution's. */
  readonly qemu: string;
  /** Model and flags of the host's processor under KVM, otherwise empty: emulation has its own. */
  readonly processor: string;
  /** The options that the command line is made from. */
  readonly machine: Machine;
  /** The command line that clones start with (`commandShape`). */
  readonly command: string;
  readonly kernel: BootFile;
  readonly initrd?: BootFile;
  readonly image?: BootFile;
  /** The read-only disks of `machine.disks`. */
  readonly disks: readonly BootFile[];
  /** Kind of the guest's vsock device. */
  readonly vsock: VsockKind;
  /** Bytes of the state file. */
  readonly stateBytes: number;
  /** Parts of the memory that aren't zero. */
  readonly extents: readonly Extent[];
  /** Facts that the maker of the snapshot added, such as the agent's version. */
  readonly notes: Readonly<Record<string, unknown>>;
}

/** Reads the manifest of a snapshot. Throws MachineError. */
export async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, FILES.manifest);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "no such snapshot" : error.message;
    throw new MachineError(`snapshot ${directory}: ${why}`, { cause: error });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isJsonObject(value)) throw new MachineError(`snapshot ${directory}: its manifest is damaged; create it again`);
  if (value["format"] !== FORMAT) {
    const format = JSON.stringify(value["format"]);
    throw new MachineError(`snapshot ${directory}: its format is ${format}, and this guestctl has ${FORMAT}; ${AGAIN}`);
  }
  // The folder belongs to this user alone (checkPrivateFolder), so its content is what saveSnapshot wrote.
  return value as unknown as Manifest;
}

/** The remedy for a snapshot that can't be restored. */
export const AGAIN = "create it again";
