import type { LayerWriter } from "../../image/apply-layers.ts";
import type { EntryMeta } from "../../image/entry-meta.ts";
import { ImageError } from "../../image/image-error.ts";
import { MAX_LINKS, MAX_STEPS } from "../../image/resolve-in-root.ts";
import { checkEntry, checkPath } from "./check-entry.ts";
import { owned, type Tree, type TreeEntry } from "./tree.ts";

/** Of what layers bring, which is kept in memory until the image is written: contents, attributes, paths, targets. */
const MAX_BYTES = 2 ** 31;
/** Of a tree. */
const MAX_ENTRIES = 500_000;

export interface OverlayOptions {
  /** Parts of a directory of the tree that paths are below; none if not given. */
  readonly below?: readonly string[];
  /**
   * `layers`: the last entry of a path stays, whatever it is, as OCI has it. `sources` (if not given), as dpkg has it: a
   * directory keeps a link to a directory that is in its place, and nothing but a directory takes a directory's place.
   */
  readonly merge?: "layers" | "sources";
  /** Of what layers bring, 2 GiB if not given; more are refused. */
  readonly maxBytes?: number;
  /** Of the whole tree, 500,000 if not given. */
  readonly maxEntries?: number;
}

/**
 * Puts layers or other sources on top of a tree. Parents are resolved link by link inside the tree, to directories that it
 * has; a link that leads out of it is refused.
 */
export class TreeOverlay implements LayerWriter {
  readonly #tree: Tree;
  readonly #below: readonly string[];
  readonly #replaces: boolean;
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  #bytes = 0;
  /** What was made since `beginLayer`, with everything above it: whiteouts leave that alone. */
  readonly #touched = new Set<string>();
  /** Where nothing from before `beginLayer` is left below. */
  readonly #emptied = new Set<string>();
  /** Paths by the directory that they are in; made for the first removal. */
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

  /** Puts one entry in its place. Throws ImageError where it can't be. */
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
      if (!this.#replaces) throw new ImageError(`it is a ${entry.type}, and a directory is there already`);
      this.#removeBelow(path, () => true);
    }
    this.#set(path, entry);
    this.#touch(path);
  }

  /** Puts a whole tree on top. */
  putTree(tree: Tree): void {
    for (const path of [...tree.keys()].sort()) {
      const entry = tree.get(path);
      if (entry !== undefined) within(path, () => this.put(path.split("/"), entry));
    }
  }

  /** Where an entry of this name is, its parents resolved and made; the last part is not followed. */
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

  /** The directory that the parts lead to. Missing ones are made where no link led to them, if wanted. */
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
        if (link !== "") throw new ImageError(`it goes through ${link}, which is no directory of the image`);
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
      throw new ImageError(`with it there are more than ${this.#maxBytes} bytes, and they are merged in memory`);
  }

  #set(path: string, entry: TreeEntry): void {
    if (this.#tree.size >= this.#maxEntries && !this.#tree.has(path))
      throw new ImageError(`with it the image has more than ${this.#maxEntries} entries`);
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

/** Of all but an entry's content; names as characters. */
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
