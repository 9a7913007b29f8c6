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

/** Limits for what a writer remembers. It refuses an image that needs more. */
export interface TreeLimits {
  /** Directories waiting for their mode and time, including removed ones. */
  readonly directories: number;
  /** Total length of their paths, in characters. */
  readonly pathLength: number;
  /** Paths that one layer creates, and the directories above them. */
  readonly paths: number;
}

/** Limits for a process with hundreds of megabytes to spare. */
const HOST_LIMITS: TreeLimits = { directories: 1_000_000, pathLength: 128 << 20, paths: 10_000_000 };

/**
 * Writes files below one directory and nowhere else: it resolves parents link by link inside the root, never follows
 * the last name, and removes what is in the way instead of writing through it. Paths are lists of names below the root.
 */
export class TreeWriter implements LayerWriter {
  readonly #root: string;
  readonly #access: TreeAccess;
  readonly #keepOwners: boolean;
  readonly #limits: TreeLimits;
  /**
   * Modes and times of directories, set at the end: a mode can forbid writing, and writing changes the time. A removed
   * directory stays in the map; if another directory replaces it, that one has its own mode, and anything else is
   * skipped.
   */
  readonly #directories = new Map<string, Pick<EntryMeta, "mode" | "mtime">>();
  /** Paths that the current layer created, with every directory above: whiteouts leave them alone. */
  readonly #touched: PathSet;
  readonly #yieldNow = yieldToEventLoop();
  #pathLength = 0;

  /**
   * @param root existing directory
   * @param keepOwners sets the owners in the image, for which the process has to be root
   */
  constructor(root: string, access: TreeAccess, keepOwners: boolean, limits: TreeLimits = HOST_LIMITS) {
    this.#root = realpathSync(root);
    this.#access = access;
    this.#keepOwners = keepOwners;
    this.#limits = limits;
    this.#touched = new PathSet(limits.paths);
  }

  async beginLayer(): Promise<void> {
    this.#touched.clear();
    // No mode keeps root out, so the modes don't have to wait for the last layer.
    if (this.#keepOwners) await this.finish();
  }

  async directory(parts: readonly string[], meta: EntryMeta): Promise<void> {
    const path = parts.length === 0 ? this.#root : await this.#place(parts, true);
    if (lstat(path) === undefined) this.#access.entry(path, (place) => mkdirSync(place, 0o700));
    this.#access.directory(path, (place) => {
      const fd = openSync(place, O_DIRECTORY);
      try {
        if (this.#keepOwners) fchownSync(fd, meta.uid, meta.gid);
        // This process needs access until the end.
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
      // Sets the owner first: changing it clears the set-id bits and capabilities.
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

  /** Sets the modes and times of directories. */
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

  /**
   * Returns the path for a new file. Creates its parents and removes what is in the way, except a directory if
   * `keepDirectory` is set.
   */
  async #place(parts: readonly string[], keepDirectory = false): Promise<string> {
    const name = parts.at(-1);
    if (name === undefined) throw new ImageError("it would replace the root directory");
    const path = `${this.#resolve(parts.slice(0, -1), true)}/${name}`;
    const found = lstat(path);
    if (found !== undefined && !(keepDirectory && found.isDirectory())) await this.#remove(path);
    this.#touch(path);
    return path;
  }

  /** Notes that the layer creates a path and the directories above, up to the first that is noted. */
  #touch(path: string): void {
    for (let each = path; each !== this.#root && this.#touched.add(each); ) each = dirname(each);
  }

  #resolve(parts: readonly string[], make: boolean): string {
    return resolveDirectory(this.#root, parts, (path) => {
      if (!make) throw new ImageError(`${path.slice(this.#root.length)} is missing`);
      this.#access.entry(path, (place) => mkdirSync(place, 0o755));
      this.#remember(path, IMPLIED_DIRECTORY);
      this.#touch(path);
    });
  }

  /** Throws ImageError if the limits are exceeded. */
  #remember(path: string, meta: Pick<EntryMeta, "mode" | "mtime">): void {
    if (!this.#directories.has(path)) this.#pathLength += path.length;
    this.#directories.set(path, meta);
    if (this.#directories.size > this.#limits.directories || this.#pathLength > this.#limits.pathLength)
      throw new ImageError("it has too many directories, parents included");
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
