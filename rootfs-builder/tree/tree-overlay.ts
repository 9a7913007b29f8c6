import type { LayerWriter } from "../../image/apply-layers.ts";
import type { EntryMeta } from "../../image/entry-meta.ts";
import { ImageError } from "../../image/image-error.ts";
import { MAX_LINKS, MAX_STEPS } from "../../image/resolve-in-root.ts";
import { checkEntry, checkPath } from "./check-entry.ts";
import { owned, type Tree, type TreeEntry } from "./tree.ts";

/** Limit for the sources' contents, attributes, paths and targets, which stay in memory until the image is written. */
const MAX_BYTES = 2 ** 31;
/** Limit for entries of a tree. */
const MAX_ENTRIES = 500_000;

export interface OverlayOptions {
  /** Directory of the tree below which the paths are; defaults to the root. */
  readonly below?: readonly string[];
  /**
   * `layers` replaces any earlier entry of the path, as OCI specifies. `sources`, the default, works like dpkg: a
   * directory keeps an existing link to a directory, and only a directory can replace a directory.
   */
  readonly merge?: "layers" | "sources";
  /** Limit for the sources' bytes; defaults to 2 GiB. */
  readonly maxBytes?: number;
  /** Limit for entries of the whole tree; defaults to 500,000. */
  readonly maxEntries?: number;
}

/**
 * Applies layers or other sources to a tree. Resolves parents link by link inside the tree, to existing directories,
 * and refuses a link that leads out.
 */
export class TreeOverlay implements LayerWriter {
  readonly #tree: Tree;
  readonly #below: readonly string[];
  readonly #replaces: boolean;
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  #bytes = 0;
  /** Paths written since `beginLayer`, with every directory above: whiteouts leave them alone. */
  readonly #touched = new Set<string>();
  /** Directories emptied of everything from before `beginLayer`. */
  readonly #emptied = new Set<string>();
  /** Paths by directory; created for the first removal. */
  #children: Map<string, Set<string>> | undefined;

  constructor(
    tree: Tree,
    { below = [], merge = "sources", maxBytes = MAX_BYTES, maxEntries = MAX_ENTRIES }: OverlayOptions = {},
  ) {
    this.#tree = tree;
    this.#below = below;
    this.#replaces = merge === "layers";
    this.#maxBytes = maxBytes;
    this.#maxEntries = maxEntries;
  }

  beginLayer(): void {
    this.#touched.clear();
    this.#emptied.clear();
  }

  directory(parts: readonly string[], meta: EntryMeta): void {
    this.#count(bytesOf(parts, meta));
    this.put(parts, { type: "directory", ...owned(meta), mode: meta.mode });
  }

  async file(parts: readonly string[], meta: EntryMeta, content: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks: Uint8Array[] = [];
    this.#count(bytesOf(parts, meta));
    for await (const chunk of content) {
      chunks.push(chunk);
      this.#count(chunk.length);
    }
    this.put(parts, { type: "file", ...owned(meta), mode: meta.mode, content: Buffer.concat(chunks) });
  }

  symlink(parts: readonly string[], meta: EntryMeta, target: string): void {
    this.#count(bytesOf(parts, meta) + target.length);
    this.put(parts, { type: "symlink", ...owned(meta), target });
  }

  hardLink(parts: readonly string[], target: readonly string[]): void {
    this.#count(bytesOf(parts));
    const linked = this.#tree.get(this.#path(target));
    const name = `/${target.join("/")}`;
    if (linked === undefined) throw new ImageError(`it is a hard link to ${name}, which is missing`);
    if (linked.type === "directory") throw new ImageError(`it is a hard link to ${name}, which is a directory`);
    this.put(parts, linked);
  }

  node(_parts: readonly string[], _meta: EntryMeta, type: "p" | "c" | "b"): void {
    const what = { p: "a named pipe", c: "a device", b: "a device" }[type];
    throw new ImageError(`it is ${what}: only files, directories and links go into an image`);
  }

  hide(parts: readonly string[]): void {
    const path = this.#existing(parts);
    if (path === undefined) return;
    this.#hideBelow(path);
    if (!this.#touched.has(path)) this.#delete(path);
  }

  hideChildren(parts: readonly string[]): void {
    const path = this.#existing(parts);
    if (path !== undefined) this.#hideBelow(path);
  }

  /** Sets one entry. Throws ImageError if it isn't allowed. */
  put(parts: readonly string[], entry: TreeEntry): void {
    const path = this.#path(parts);
    if (path === "") {
      if (entry.type === "directory") return;
      throw new ImageError("it would replace the root directory");
    }
    checkEntry(entry);
    const before = this.#tree.get(path);
    if (entry.type === "directory" && before?.type === "symlink" && !this.#replaces) {
      this.#touch(this.#resolve(path.split("/")).join("/"));
      return;
    }
    if (entry.type !== "directory" && before?.type === "directory") {
      if (!this.#replaces) throw new ImageError(`it is a ${entry.type}, and would replace a directory`);
      this.#removeBelow(path, () => true);
    }
    this.#set(path, entry);
    this.#touch(path);
  }

  /** Applies a whole tree. */
  putTree(tree: Tree): void {
    for (const path of [...tree.keys()].sort()) {
      const entry = tree.get(path);
      if (entry !== undefined) within(path, () => this.put(path.split("/"), entry));
    }
  }

  /** Returns the path of an entry; resolves and creates its parents, but doesn't follow the last part. */
  #path(parts: readonly string[]): string {
    const all = [...this.#below, ...parts];
    const name = all.at(-1);
    if (name === undefined) return "";
    checkPath(all.join("/"));
    const path = [...this.#resolve(all.slice(0, -1), true), name].join("/");
    checkPath(path);
    return path;
  }

  #existing(parts: readonly string[]): string | undefined {
    try {
      const all = [...this.#below, ...parts];
      const parent = this.#resolve(all.slice(0, -1));
      return [...parent, ...all.slice(-1)].join("/");
    } catch {
      return undefined;
    }
  }

  /** Returns the directory that the parts lead to. With `make`, creates missing ones, except behind a link. */
  #resolve(parts: readonly string[], make = false): string[] {
    const queue = parts.map((part) => ({ part, link: "" }));
    const at: string[] = [];
    let [links, steps] = [0, 0];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { part, link } = next;
      if (++steps > MAX_STEPS)
        throw new ImageError(`/${parts.join("/")} resolves through more than ${MAX_STEPS} names`);
      if (part === "" || part === ".") continue;
      if (part === "..") {
        if (at.pop() === undefined) throw new ImageError(`it goes through ${link}, which leads out of the image`);
        continue;
      }
      const path = [...at, part].join("/");
      const entry = this.#tree.get(path);
      if (entry?.type === "symlink") {
        if (++links > MAX_LINKS) throw new ImageError(`too many symbolic links in /${parts.join("/")}`);
        if (entry.target.startsWith("/")) at.length = 0;
        const through = link || `${path} → ${entry.target}`;
        queue.unshift(...entry.target.split("/").map((one) => ({ part: one, link: through })));
        continue;
      }
      if (entry === undefined) {
        if (link !== "") throw new ImageError(`it goes through ${link}, which is not a directory in the image`);
        if (!make) throw new ImageError(`/${path} is missing`);
        this.#set(path, { type: "directory", mode: 0o755 });
      } else if (entry.type !== "directory") throw new ImageError(`it goes through ${path}, which is a file`);
      at.push(part);
    }
    return at;
  }

  #touch(path: string): void {
    for (let at = path; at !== "" && !this.#touched.has(at); at = parentOf(at)) {
      this.#touched.add(at);
    }
  }

  #hideBelow(path: string): void {
    if (this.#emptied.has(path)) return;
    this.#removeBelow(path, (one) => !this.#touched.has(one));
    this.#emptied.add(path);
  }

  #removeBelow(path: string, which: (path: string) => boolean): void {
    for (const one of [...(this.#childrenOf(path) ?? [])]) {
      this.#removeBelow(one, which);
      if (which(one)) this.#delete(one);
    }
  }

  #childrenOf(path: string): ReadonlySet<string> | undefined {
    if (this.#children === undefined) {
      this.#children = new Map();
      for (const one of this.#tree.keys()) addChild(this.#children, one);
    }
    return this.#children.get(path);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes)
      throw new ImageError(`the image exceeds the limit of ${this.#maxBytes} bytes, which are merged in memory`);
  }

  #set(path: string, entry: TreeEntry): void {
    if (this.#tree.size >= this.#maxEntries && !this.#tree.has(path))
      throw new ImageError(`the image exceeds the limit of ${this.#maxEntries} entries`);
    this.#tree.set(path, entry);
    if (this.#children !== undefined) addChild(this.#children, path);
  }

  #delete(path: string): void {
    this.#tree.delete(path);
    this.#children?.get(parentOf(path))?.delete(path);
  }
}

function addChild(children: Map<string, Set<string>>, path: string): void {
  const parent = parentOf(path);
  const known = children.get(parent);
  if (known === undefined) children.set(parent, new Set([path]));
  else known.add(path);
}

/** Returns the size of an entry without its content; names count in characters. */
function bytesOf(parts: readonly string[], meta?: EntryMeta): number {
  const attributes = [...(meta?.xattrs ?? [])].map(([name, value]) => name.length + value.length);
  return [...parts.map((part) => part.length + 1), ...attributes].reduce((sum, length) => sum + length, 0);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function within(path: string, put: () => void): void {
  try {
    put();
  } catch (error) {
    if (error instanceof ImageError) throw new ImageError(`entry ${JSON.stringify(path)}: ${error.message}`);
    throw error;
  }
}
