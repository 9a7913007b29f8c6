import type { LayerWriter } from "../../../../image/apply-layers.ts";
import { type EntryMeta, IMPLIED_DIRECTORY } from "../../../../image/entry-meta.ts";
import { ImageError } from "../../../../image/image-error.ts";
import { keptXattrs } from "./kept-xattrs.ts";
import { resolveInTree } from "./resolve-in-tree.ts";
import type { DirectoryNode, TreeNode } from "./tree-node.ts";

/** Limits for what a tree remembers. It refuses an image that needs more. */
export interface BlockTreeLimits {
  /** Entries that all layers create, removed ones included. */
  readonly entries: number;
  readonly directories: number;
  /** Total length in bytes of their names, link targets and extended attributes. */
  readonly text: number;
}

const LIMITS: BlockTreeLimits = { entries: 2_000_000, directories: 1_000_000, text: 128 << 20 };

/** Linux's limits for a name and for a link's target, in bytes. */
const MAX_NAME = 255;
const MAX_TARGET = 4095;

/** Stores the content of files and returns the number of its first block. */
export type StoreContent = (content: AsyncIterable<Uint8Array>) => Promise<{ block: number; size: number }>;

/**
 * The tree of an image in memory, without the content of its files. Nothing of an image becomes a file of the host, so
 * its names, links, owners and devices mean nothing there. Layers change the tree as they would change a directory.
 */
export class BlockTree implements LayerWriter {
  readonly root: DirectoryNode = { kind: "directory", meta: IMPLIED_DIRECTORY, layer: 0, children: new Map() };
  readonly #store: StoreContent;
  readonly #limits: BlockTreeLimits;
  #layer = 0;
  #entries = 0;
  #directories = 0;
  #text = 0;

  constructor(store: StoreContent, limits = LIMITS) {
    this.#store = store;
    this.#limits = limits;
  }

  beginLayer(): void {
    this.#layer += 1;
  }

  directory(parts: readonly string[], meta: EntryMeta): void {
    if (parts.length === 0) {
      this.root.meta = this.#kept(meta);
      return;
    }
    const { parent, name } = this.#place(parts, true);
    const found = parent.children.get(name);
    if (found === undefined) this.#addDirectory(parent, name, meta);
    else found.meta = this.#kept(meta);
  }

  async file(parts: readonly string[], meta: EntryMeta, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { parent, name } = this.#place(parts);
    this.#add(parent, name, {
      kind: "file",
      meta: this.#kept(meta),
      layer: this.#layer,
      ...(await this.#store(content)),
    });
  }

  symlink(parts: readonly string[], meta: EntryMeta, target: string): void {
    if (target === "") throw new ImageError("it is a symbolic link without a target");
    const length = Buffer.byteLength(target);
    if (length > MAX_TARGET) throw new ImageError(`the target of its symbolic link has more than ${MAX_TARGET} bytes`);
    const { parent, name } = this.#place(parts);
    this.#add(
      parent,
      name,
      { kind: "symlink", meta: this.#kept({ ...meta, mode: 0o777 }), layer: this.#layer, target },
      length,
    );
  }

  hardLink(parts: readonly string[], target: readonly string[]): void {
    const from = this.#resolve(target.slice(0, -1), false).at(-1);
    const found = from?.children.get(target.at(-1) ?? "");
    if (found === undefined) throw new ImageError(`it is a hard link to /${target.join("/")}, which is missing`);
    if (found.kind === "directory")
      throw new ImageError(`it is a hard link to /${target.join("/")}, which is a directory`);
    const { parent, name } = this.#place(parts);
    this.#add(parent, name, found);
    found.layer = this.#layer;
  }

  node(parts: readonly string[], meta: EntryMeta, kind: "p" | "c" | "b", major: number, minor: number): void {
    const { parent, name } = this.#place(parts);
    this.#add(parent, name, { kind, meta: this.#kept(meta), layer: this.#layer, major, minor });
  }

  hide(parts: readonly string[]): void {
    const parent = this.#existing(parts.slice(0, -1));
    if (parent !== undefined) this.#removeLower(parent, parts.at(-1) ?? "");
  }

  hideChildren(parts: readonly string[]): void {
    const directory = this.#existing(parts);
    for (const name of directory?.children.keys() ?? []) if (directory) this.#removeLower(directory, name);
  }

  /**
   * Returns the place of a new entry. Creates its parents and removes what is in the way, except a directory if
   * `keepDirectory` is set.
   */
  #place(parts: readonly string[], keepDirectory = false): { parent: DirectoryNode; name: string } {
    const name = parts.at(-1);
    if (name === undefined) throw new ImageError("it would replace the root directory");
    const above = this.#resolve(parts.slice(0, -1), true);
    const parent = above.at(-1) ?? this.root;
    const found = parent.children.get(name);
    if (found !== undefined && !(keepDirectory && found.kind === "directory")) parent.children.delete(name);
    else if (found !== undefined) found.layer = this.#layer;
    for (const each of above) each.layer = this.#layer;
    return { parent, name };
  }

  #resolve(parts: readonly string[], make: boolean): readonly DirectoryNode[] {
    return resolveInTree(this.root, parts, (parent, name, path) => {
      if (!make) throw new ImageError(`${path} is missing`);
      return this.#addDirectory(parent, name, IMPLIED_DIRECTORY);
    });
  }

  #existing(parts: readonly string[]): DirectoryNode | undefined {
    try {
      return this.#resolve(parts, false).at(-1);
    } catch {
      return undefined;
    }
  }

  #addDirectory(parent: DirectoryNode, name: string, meta: EntryMeta): DirectoryNode {
    this.#directories += 1;
    if (this.#directories > this.#limits.directories)
      throw new ImageError("it has too many directories, parents included");
    const made = { kind: "directory", meta: this.#kept(meta), layer: this.#layer, children: new Map() } as const;
    this.#add(parent, name, made);
    return made;
  }

  #add(parent: DirectoryNode, name: string, node: TreeNode, more = 0): void {
    const length = Buffer.byteLength(name);
    if (length > MAX_NAME) throw new ImageError(`a part of its name has more than ${MAX_NAME} bytes`);
    this.#entries += 1;
    this.#count(length + more);
    parent.children.set(name, node);
  }

  #count(text: number): void {
    this.#text += text;
    if (this.#entries > this.#limits.entries || this.#text > this.#limits.text)
      throw new ImageError("the image has too many entries");
  }

  #kept(meta: EntryMeta): EntryMeta {
    const { xattrs, size } = keptXattrs(meta.xattrs);
    this.#count(size);
    return { ...meta, xattrs };
  }

  #removeLower(parent: DirectoryNode, name: string): void {
    const found = parent.children.get(name);
    if (found === undefined) return;
    if (found.layer !== this.#layer) parent.children.delete(name);
    else if (found.kind === "directory") for (const each of found.children.keys()) this.#removeLower(found, each);
  }
}
