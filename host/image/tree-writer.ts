import { spawnSync } from "node:child_process";
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
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { EntryMeta } from "./entry-meta.ts";
import { ImageError, reason } from "./image-error.ts";
import { lstat, resolveDirectory } from "./resolve-in-root.ts";

const IMPLIED: EntryMeta = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };

/**
 * Makes files below one directory, and nothing anywhere else: parents are resolved link by link inside it, the last part
 * of a name is never followed, and what is in the way is removed, not written through. Paths are parts below the root.
 */
export class TreeWriter {
  readonly #root: string;
  readonly #keepOwners: boolean;
  /** Modes and times of directories, set when all is written: they may forbid or be changed by writing into them. */
  readonly #directories = new Map<string, EntryMeta>();
  /** What the layer under way has made, with everything above it: whiteouts leave that alone. */
  readonly #touched = new Set<string>();

  /** `root` exists. With `keepOwners` (only root may) files get the owners of the image. */
  constructor(root: string, keepOwners: boolean) {
    this.#root = realpathSync(root);
    this.#keepOwners = keepOwners;
  }

  /** From here on, whiteouts hide all that was made before. */
  beginLayer(): void {
    this.#touched.clear();
  }

  directory(parts: readonly string[], meta: EntryMeta): void {
    const path = parts.length === 0 ? this.#root : this.#place(parts, true);
    if (lstat(path) === undefined) mkdirSync(path, 0o700);
    if (this.#keepOwners) lchownSync(path, meta.uid, meta.gid);
    // Until the end we ourselves have to get in.
    chmodSync(path, meta.mode | 0o700);
    this.#directories.set(path, meta);
  }

  async file(parts: readonly string[], meta: EntryMeta, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const fd = openSync(this.#place(parts), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      for await (const chunk of content) {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      }
      // The owner first: a change of owner clears the set-id bits.
      if (this.#keepOwners) fchownSync(fd, meta.uid, meta.gid);
      fchmodSync(fd, meta.mode);
      futimesSync(fd, meta.mtime, meta.mtime);
    } finally {
      closeSync(fd);
    }
  }

  symlink(parts: readonly string[], meta: EntryMeta, target: string): void {
    const path = this.#place(parts);
    symlinkSync(target, path);
    if (this.#keepOwners) lchownSync(path, meta.uid, meta.gid);
    lutimesSync(path, meta.mtime, meta.mtime);
  }

  /** A second name for a file that is in the tree already. A link itself is linked, not what it points at. */
  hardLink(parts: readonly string[], target: readonly string[]): void {
    const existing = `${this.#resolve(target.slice(0, -1), false)}/${target.at(-1) ?? ""}`;
    const found = lstat(existing);
    if (found === undefined) throw new ImageError(`it is a hard link to /${target.join("/")}, which is missing`);
    if (found.isDirectory()) throw new ImageError(`it is a hard link to /${target.join("/")}, which is a directory`);
    if (existing === `${this.#resolve(parts.slice(0, -1), true)}/${parts.at(-1)}`) return;
    linkSync(existing, this.#place(parts));
  }

  /** A named pipe, or a device, which only root may make. */
  node(parts: readonly string[], meta: EntryMeta, type: "p" | "c" | "b", major: number, minor: number): void {
    const path = this.#place(parts);
    const numbers = type === "p" ? [] : [String(major), String(minor)];
    const { status, stderr, error } = spawnSync("mknod", ["--", path, type, ...numbers], { encoding: "utf8" });
    if (status !== 0) throw new ImageError(`mknod: ${reason(error ?? stderr.trim())}`);
    if (this.#keepOwners) lchownSync(path, meta.uid, meta.gid);
    chmodSync(path, meta.mode);
    lutimesSync(path, meta.mtime, meta.mtime);
  }

  /** Removes what lower layers have there. */
  hide(parts: readonly string[]): void {
    const parent = this.#resolveExisting(parts.slice(0, -1));
    if (parent !== undefined) this.#removeLower(`${parent}/${parts.at(-1)}`);
  }

  /** Removes what lower layers have in a directory. */
  hideChildren(parts: readonly string[]): void {
    const path = this.#resolveExisting(parts);
    if (path !== undefined) for (const name of readdirSync(path)) this.#removeLower(`${path}/${name}`);
  }

  /** Gives directories their modes and times. */
  finish(): void {
    for (const [path, { mode, mtime }] of [...this.#directories].reverse()) {
      if (lstat(path)?.isDirectory() !== true || realpathSync(path) !== path) continue;
      utimesSync(path, mtime, mtime);
      chmodSync(path, mode);
    }
    this.#directories.clear();
  }

  /** Where a new file goes: its parents are there and nothing is in the way, but for a directory if that is wanted. */
  #place(parts: readonly string[], keepDirectory = false): string {
    const name = parts.at(-1);
    if (name === undefined) throw new ImageError("it would replace the root directory");
    const path = `${this.#resolve(parts.slice(0, -1), true)}/${name}`;
    const found = lstat(path);
    if (found !== undefined && !(keepDirectory && found.isDirectory())) this.#remove(path);
    for (let each = path; each !== this.#root; each = dirname(each)) this.#touched.add(each);
    return path;
  }

  #resolve(parts: readonly string[], make: boolean): string {
    return resolveDirectory(this.#root, parts, (path) => {
      if (!make) throw new ImageError(`${path.slice(this.#root.length)} is missing`);
      mkdirSync(path, 0o755);
      this.#directories.set(path, IMPLIED);
      this.#touched.add(path);
    });
  }

  #resolveExisting(parts: readonly string[]): string | undefined {
    try {
      return this.#resolve(parts, false);
    } catch {
      return undefined;
    }
  }

  #removeLower(path: string): void {
    if (!this.#touched.has(path)) this.#remove(path);
    else if (lstat(path)?.isDirectory()) for (const name of readdirSync(path)) this.#removeLower(`${path}/${name}`);
  }

  #remove(path: string): void {
    rmSync(path, { recursive: true, force: true });
    for (const each of this.#directories.keys()) {
      if (each === path || each.startsWith(`${path}/`)) this.#directories.delete(each);
    }
  }
}
