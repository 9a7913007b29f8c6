import { existsSync, rmSync } from "node:fs";
import { truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ImageError } from "../../../../image/image-error.ts";
import { copySparse } from "../../../../lib/copy-sparse.ts";
import { OWNER_NOTE } from "../../../../lib/owned-folder.ts";
import { removeTree } from "../../../../lib/remove-tree.ts";
import { makeRecordedFolder, readRecordNote, writeRecordNote } from "../../../recorded-folder.ts";
import { userCache } from "../../../vm/paths.ts";
import type { WritableDisk } from "../../../vm/writable-disks.ts";
import { makeFileSystem } from "./empty-file-system.ts";

/** A container's writable disk, which guests alone read: the host only creates, formats, copies and removes its file. */
export interface Layer {
  /** Folder that stands for it in records. */
  readonly folder: string;
  readonly disk: WritableDisk;
}

/** The layer that a container needs. */
export interface LayerRequest {
  /** Bytes of a new one. */
  readonly size: number;
  /** Path of the container's record. */
  readonly record: string;
  /** Folder of the one that it had before. */
  readonly folder?: string | undefined;
  /** Called with the folder of a new one before a running guest has the disk. */
  onOpen?(folder: string): void;
}

/** Bytes that a container can write, unless it says otherwise; its file only has those that it did write. */
export const DEFAULT_LAYER_BYTES = 10 * 2 ** 30;

const PREFIX = "layer-";
const DISK = "disk";

/**
 * Layers of this user's containers, in a folder of the user's cache that only the user can access. A layer belongs to this
 * process until a record names it (`ProcessRecords.write`), then to the record. Leftovers of killed processes are removed
 * before a new one is created, except those of other pid namespaces, whose records may be out of sight. Methods may throw
 * FolderError.
 */
export class LayerStore {
  readonly #root: string;

  constructor(root = userCache("layers")) {
    this.#root = root;
  }

  /** Returns the container's layer: the one that it had, or a new sparse file. Rejects with ImageError. */
  async open({ size, record, folder }: LayerRequest): Promise<Layer> {
    if (folder !== undefined) {
      const known = layerOf(folder);
      if (existsSync(known.disk.file)) return known;
      throw new ImageError(`${known.disk.file}: the container's disk is gone; guestctl rm the container, then run it`);
    }
    const layer = this.#make(record);
    const { file } = layer.disk;
    try {
      await writeFile(file, "", { flag: "wx", mode: 0o600 });
      await truncate(file, size);
      await makeFileSystem(file);
      return layer;
    } catch (error) {
      rmSync(layer.folder, { recursive: true, force: true });
      const { code } = error as NodeJS.ErrnoException;
      throw new ImageError(`create a disk of ${size} bytes in ${this.#root}: ${code}; use a smaller size`, {
        cause: error,
      });
    }
  }

  /** Copies the disk of a snapshot for a clone's container. Rejects with one line. */
  async copy(file: string, record: string): Promise<Layer> {
    const layer = this.#make(record);
    try {
      await copySparse(file, layer.disk.file);
      return layer;
    } catch (error) {
      await removeTree(layer.folder);
      throw error;
    }
  }

  #make(record: string): Layer {
    return layerOf(makeRecordedFolder(this.#root, PREFIX, { record, field: "layer" }));
  }
}

/** Notes what is below a layer. Throws ImageError if that was another disk before: its files belong to that one. */
export function bindLayer({ folder }: Layer, container: string, image: string): void {
  const note = readRecordNote(folder);
  if (note?.image !== undefined && note.image !== image) {
    const remedy = `guestctl rm ${container}, then run it`;
    throw new ImageError(
      `container ${container}: its image has changed, and its files belong to the old one; ${remedy}`,
    );
  }
  if (note !== undefined && note.image === undefined) writeRecordNote(folder, { ...note, image });
}

/** Removes a layer, unless a record has it. */
export async function discardLayer({ folder }: Layer): Promise<void> {
  if (existsSync(join(folder, OWNER_NOTE))) await removeTree(folder);
}

/** Returns the layer of a folder, even if that is gone. */
export function layerOf(folder: string): Layer {
  // mkdtemp's letters and digits.
  const serial = basename(folder).slice(PREFIX.length);
  return { folder, disk: { file: join(folder, DISK), serial } };
}
