import type { DiskKind, Storage } from "./storage.ts";
import type { VerityTree } from "./verity.ts";

/** One of the file systems that form a container's root. */
export interface Layer {
  /** The upper layer is writable, the lower ones are read-only. */
  readonly role: "upper" | "lower";
  readonly disk: DiskKind;
  /** The host's address of the disk; the path in /dev once it is found. */
  readonly source: string;
  /** Partition number in a GPT. If absent, the file system covers the whole disk. */
  readonly partition?: number | undefined;
  readonly fstype: string;
  /** Options for mount(2). */
  readonly options: readonly string[];
  readonly verity?: VerityTree | undefined;
  /** Set if the disk is empty and an ext4 must be created first. */
  readonly make?: { readonly uuid?: string | undefined } | undefined;
  /** Directories to create on the upper layer. */
  readonly directories: readonly LayerDirectory[];
}

export interface LayerDirectory {
  readonly names: readonly string[];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export const MULTI_LAYER = "erofs.multi-layer";

/** True for a layer of a container's root, false for a storage that is mounted by itself. */
export function isLayer({ driver, options }: Storage): boolean {
  return driver === MULTI_LAYER || options.includes("X-kata.multi-layer=true");
}
