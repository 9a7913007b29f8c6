import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { yieldToEventLoop } from "../lib/yield-to-event-loop.ts";
import type { LayerWriter } from "./apply-layers.ts";
import { type EntryMeta, IMPLIED_DIRECTORY } from "./entry-meta.ts";
import { ImageError } from "./image-error.ts";
import { PathSet } from "./path-set.ts";
import { lstat, resolveDirectory } from "./resolve-in-root.ts";
import type { TreeAccess } from "./tree-access.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY } = constants;

/** What a writer remembers at most; an image that wants more is refused. */
export interface TreeLimits {
  /** Directories until they get their modes and times, also those that were removed meanwhile. */
  readonly directories: number;
  /** Of their paths, characters in all. */
  readonly pathLength: number;
  /** What one layer makes, and directories above that. */
  readonly paths: number;
}

/** For who has hundreds of megabytes to spare. */
const HOST_LIMITS: TreeLimits = { directories: 1_000_000, pathLength: 128 << 20, paths: 10_000_000 };

/**
 * Makes files below one directory, and nothing anywhere else: parents are resolved link by link inside it, the last part
 * of a name is never followed, and what is in the way is removed, not written through. Paths are parts below the root.
 */
export class TreeWriter implements LayerWriter {
  readonly #root: string;
  readonly #access: TreeAccess;
  readonly #keepOwners: boolean;
  readonly #limits: TreeLimits;
  /**
   * Modes and times of directories, set when all is written: they may forbid or be changed by writing into them. One that
   * was removed stays here until then: a directory in its place has its own, and anything else is passed over.
   */
  readonly #directories = new Map<string, Pick<EntryMeta, "mode" | "mtime">>();
  /** What the layer under way has made, with everything above it: whiteouts leave that alone. */
  readonly #touched: PathSet;
  readonly #yieldNow = yieldToEventLoop();
  #pathLength = 0;

  /** `root` exists. With `keepOwners` (only root may) files get the owners of the image. */
  constructor(root: string, access: TreeAccess, keepOwners: boolean, limits: TreeLimits = HOST_LIMITS) {
    this.#root = realpathSync(root);
    this.#access = access;
    this.#keepOwners = keepOwners;
    this.#limits = limits;
    this.#touched = new PathSet(limits.paths);
  }

  async beginLayer(): Promise<void> {
    this.#touched.clear();
    // Root is kept out by no mode, so nothing has to be remembered for longer.
    if (this.#keepOwners) await this.finish();
  }

  async directory(parts: readonly string[], meta: EntryMeta): Promise<void> {
    const path = parts.length === 0 ? this.#root : await this.#place(parts, true);
    if (lstat(path) === undefined) this.#access.entry(path, (place) => mkdirSync(place, 0o700));
    this.#access.directory(path, (place) => {
      const fd = openSync(place, O_DIRECTORY);
      try {
        if (this.#keepOwners) fchownSync(fd, meta.uid, meta.gid);
        // Until the end we ourselves have to get in.
        fchmodSync(fd, meta.mode | 0o700);
        this.#access.setXattrs(fd, meta.xattrs);
      } finally {
        closeSync(fd);
      }
    });
    this.#remember(path, { mode: meta.mode, mtime: meta.mtime });
  }

  async file(parts: readonly string[], meta: EntryMeta, content: AsyncIterable<Uint8Array>): Promise<void> {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const fd = this.#access.entry(await this.#place(parts), (place) => openSync(place, flags, 0o600));
    try {
      for await (const chunk of content) {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      }
      // The owner first: a change of owner clears the set-id bits and the capabilities.
      if (this.#keepOwners) fchownSync(fd, meta.uid, meta.gid);
      fchmodSync(fd, meta.mode);
      this.#access.setXattrs(fd, meta.xattrs);
      futimesSync(fd, meta.mtime, meta.mtime);
    } finally {
      closeSync(fd);
    }
  }

  async symlink(parts: readonly string[], meta: EntryMeta, target: string): Promise<void> {
    this.#access.entry(await this.#place(parts), (place) => {
      symlinkSync(target, place);
      if (this.#keepOwners) lchownSync(place, meta.uid, meta.gid);
      lutimesSync(place, meta.mtime, meta.mtime);
    });
  }

  async hardLink(parts: readonly string[], target: readonly string[]): Promise<void> {
    const existing = `${this.#resolve(target.slice(0, -1), false)}/${target.at(-1) ?? ""}`;
    const found = lstat(existing);
    if (found === undefined) throw new ImageError(`it is a hard link to /${target.join("/")}, which is missing`);
    if (found.isDirectory()) throw new ImageError(`it is a hard link to /${target.join("/")}, which is a directory`);
    if (existing === `${this.#resolve(parts.slice(0, -1), true)}/${parts.at(-1)}`) return;
    const path = await this.#place(parts);
    this.#access.entry(existing, (from) => this.#access.entry(path, (to) => linkSync(from, to)));
  }

  async node(
    parts: readonly string[],
    meta: EntryMeta,
    type: "p" | "c" | "b",
    major: number,
    minor: number,
  ): Promise<void> {
    const path = await this.#place(parts);
    this.#access.makeNode(path, type, major, minor);
    this.#access.entry(path, (place) => {
      if (this.#keepOwners) lchownSync(place, meta.uid, meta.gid);
      chmodSync(place, meta.mode);
      lutimesSync(place, meta.mtime, meta.mtime);
    });
  }

  async hide(parts: readonly string[]): Promise<void> {
    const parent = this.#resolveExisting(parts.slice(0, -1));
    if (parent !== undefined) await this.#removeLower(`${parent}/${parts.at(-1)}`);
  }

  async hideChildren(parts: readonly string[]): Promise<void> {
    const path = this.#resolveExisting(parts);
    if (path !== undefined) for (const name of readdirSync(path)) await this.#removeLower(`${path}/${name}`);
  }

  /** Gives directories their modes and times. */
  async finish(): Promise<void> {
    for (const [path, { mode, mtime }] of [...this.#directories].reverse()) {
      await this.#yieldNow();
      if (lstat(path)?.isDirectory() !== true || realpathSync.native(path) !== path) continue;
      this.#access.directory(path, (place) => {
        utimesSync(place, mtime, mtime);
        chmodSync(place, mode);
      });
    }
    this.#directories.clear();
    this.#pathLength = 0;
  }

  /** Where a new file goes: its parents are there and nothing is in the way, but for a directory if that is wanted. */
  async #place(parts: readonly string[], keepDirectory = false): Promise<string> {
    const name = parts.at(-1);
    if (name === undefined) throw new ImageError("it would replace the root directory");
    const path = `${this.#resolve(parts.slice(0, -1), true)}/${name}`;
    const found = lstat(path);
    if (found !== undefined && !(keepDirectory && found.isDirectory())) await this.#remove(path);
    for (let each = path; each !== this.#root && this.#touched.add(each); ) each = dirname(each);
    return path;
  }

  #resolve(parts: readonly string[], make: boolean): string {
    return resolveDirectory(this.#root, parts, (path) => {
      if (!make) throw new ImageError(`${path.slice(this.#root.length)} is missing`);
      this.#access.entry(path, (place) => mkdirSync(place, 0o755));
      this.#remember(path, IMPLIED_DIRECTORY);
      this.#touched.add(path);
    });
  }

  /** Throws ImageError for one too many. */
  #remember(path: string, meta: Pick<EntryMeta, "mode" | "mtime">): void {
    if (!this.#directories.has(path)) this.#pathLength += path.length;
    this.#directories.set(path, meta);
    if (this.#directories.size > this.#limits.directories || this.#pathLength > this.#limits.pathLength)
      throw new ImageError("its directories, with those above them, are more than can be remembered");
  }

  #resolveExisting(parts: readonly string[]): string | undefined {
    try {
      return this.#resolve(parts, false);
    } catch {
      return undefined;
    }
  }

  async #removeLower(path: string): Promise<void> {
    await this.#yieldNow();
    if (!this.#touched.has(path)) await this.#remove(path);
    else if (lstat(path)?.isDirectory()) {
      for (const name of readdirSync(path)) await this.#removeLower(`${path}/${name}`);
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#access.entry(path, (place) => rm(place, { recursive: true, force: true }));
  }
}
