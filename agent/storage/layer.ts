import type { DiskKind, Storage } from "./storage.ts";
import type { VerityTree } from "./verity.ts";

/** One of the file systems that make up a container's root. */
export interface Layer {
  /** One is written to, those below it are read. */
  readonly role: "upper" | "lower";
  readonly disk: DiskKind;
  /** As the host names the disk; the path in /dev once it is found. */
  readonly source: string;
  /** Of a GPT; without it the file system is on the whole disk. */
  readonly partition?: number;
  readonly fstype: string;
  /** For mount(2). */
  readonly options: readonly string[];
  readonly verity?: VerityTree;
  /** The disk is empty: an ext4 is made on it first. */
  readonly make?: { readonly uuid?: string };
  /** To be made on the upper one. */
  readonly directories: readonly LayerDirectory[];
}

export interface LayerDirectory {
  readonly names: readonly string[];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export const MULTI_LAYER = "erofs.multi-layer";

/** It is a layer of a container's root rather than something to be mounted on its own. */
export function isLayer({ driver, options }: Storage): boolean {
  return driver === MULTI_LAYER || options.includes("X-kata.multi-layer=true");
}
