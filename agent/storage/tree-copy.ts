import { constants, rmdirSync, unlinkSync } from "node:fs";
import { open } from "node:fs/promises";
import { posix } from "node:path";
import { O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import { type ContainedFiles, guestRoot } from "../kernel/files/contained-files.ts";
import { inDirectory, readContained } from "../kernel/files/read-contained.ts";
import type { Sys } from "../kernel/kernel.ts";
import { copyFile } from "./copy-file.ts";
import { scanTree, type TreeEntry, type TreeLimits } from "./scan-tree.ts";
import { pathOf } from "./shared-parent.ts";
import { openBeneath, openSharedRoot } from "./shared-path.ts";

interface CopyKernel {
  readonly sys: Pick<Sys, "openat2" | "close">;
  readonly contained: ContainedFiles;
}

/** Limits for looking at what containers have put into a copy. Beyond these, everything is copied again. */
const LEFT: TreeLimits = { files: 4096, bytes: Number.MAX_VALUE };

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** The link that switches a volume of settings to a new version, all files at once. */
const SWITCH = "..data";

/**
 * A copy of a small tree that follows its source. Containers may have changed the copy, so files are written and
 * removed only below its root.
 */
export class TreeCopy {
  readonly #sys: CopyKernel["sys"];
  readonly #contained: ContainedFiles;
  readonly #source: string;
  readonly #target: string;
  #known: ReadonlyMap<string, TreeEntry> | undefined;

  constructor({ sys, contained }: CopyKernel, source: string, target: string) {
    this.#sys = sys;
    this.#contained = contained;
    this.#source = source;
    this.#target = target;
  }

  /**
   * Updates the copy from the source. Returns false and does nothing if the source exceeds the limits. Each file is
   * replaced atomically. New files appear before the links that lead to them; old files are removed afterwards.
   */
  async refresh(limits: TreeLimits): Promise<boolean> {
    const now = await scanTree(this.#source, limits);
    if (now === undefined) return false;
    checkSwitches(now);
    const before = this.#known ?? (await scanTree(this.#target, LEFT));
    const old = [...(before ?? [])].sort(deepestFirst);
    for (const [path] of old.filter(([path, was]) => (now.get(path)?.kind ?? was.kind) !== was.kind)) {
      for (const [below, was] of old.filter(([other]) => other === path || other.startsWith(`${path}/`))) {
        this.#remove(below, was);
      }
    }
    const paths = [...now].sort(([a, one], [b, other]) => rank(a, one) - rank(b, other) || (a < b ? -1 : 1));
    for (const [path, entry] of paths) {
      const was = before?.get(path);
      if (this.#known !== undefined && was?.version === entry.version) continue;
      await this.#put(path, entry, was);
    }
    const gone = old.filter(([path]) => !now.has(path));
    const isDirectory = ([, { kind }]: (typeof gone)[number]) => kind === "directory";
    for (const [path, was] of [...gone.filter((one) => !isDirectory(one)), ...gone.filter(isDirectory)]) {
      this.#remove(path, was);
    }
    this.#known = now;
    return true;
  }

  async #put(path: string, entry: TreeEntry, was: TreeEntry | undefined): Promise<void> {
    const data = entry.kind === "file" ? await this.#read(path, entry) : Buffer.from(entry.target);
    if (was !== undefined && isSame(was, entry) && (entry.kind !== "file" || (await this.#holds(path, data)))) return;
    const { mode, uid, gid } = entry;
    const parts = { mode, uid, gid, dirMode: 0o755, fileSize: data.length, offset: 0, data };
    copyFile(this.#sys, { ...parts, path: `${this.#target}/${path}` }, this.#target);
  }

  /** Reads at most the size found by the scan. A file that grows is copied the next time. */
  async #read(path: string, { size }: TreeEntry): Promise<Buffer> {
    await using handle = await open(`${this.#source}/${path}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const data = Buffer.alloc(size);
    const { bytesRead } = await handle.read(data, 0, size, 0);
    return data.subarray(0, bytesRead);
  }

  /** True if the copy's file has this content. A container may have made the file longer. */
  async #holds(path: string, data: Buffer): Promise<boolean> {
    const resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    try {
      return await this.#contained.use(guestRoot(""), (files) =>
        inDirectory(files, this.#target, async (dir) =>
          (await readContained(files, path, { limit: data.length }, { dir, resolve })).equals(data),
        ),
      );
    } catch {
      return false;
    }
  }

  /** Removes an entry, except a directory in which containers have left files. */
  #remove(path: string, { kind }: TreeEntry): void {
    const names = path.split("/");
    const name = names.pop() ?? "";
    try {
      this.#inTarget(names.length === 0 ? ["."] : names, O_PATH | O_DIRECTORY, (parent) => {
        if (kind === "directory") rmdirSync(`${pathOf(parent)}/${name}`);
        else unlinkSync(`${pathOf(parent)}/${name}`);
      });
    } catch (error) {
      const code = error instanceof SystemError ? error.code : (error as NodeJS.ErrnoException).code;
      if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EISDIR"].includes(code ?? "")) throw error;
    }
  }

  #inTarget<T>(names: readonly string[], flags: number, use: (fd: number) => T): T {
    const { close } = this.#sys;
    using opened = new DisposableStack();
    const root = opened.adopt(openSharedRoot(this.#target), close);
    return use(opened.adopt(openBeneath(this.#sys, root, names, flags), close));
  }
}

/** Throws if the host switched versions during the scan, so the version found is being removed. */
function checkSwitches(found: ReadonlyMap<string, TreeEntry>): void {
  for (const [path, { kind, target }] of found) {
    if (kind !== "link" || !isSwitch(path) || target.startsWith("/")) continue;
    const version = posix.join(posix.dirname(path), target);
    if (!found.has(version)) throw new Error(`${path} leads to ${target}, which is missing`);
  }
}

function isSwitch(path: string): boolean {
  return path === SWITCH || path.endsWith(`/${SWITCH}`);
}

/** Order of writing: directories, files, the switching link, other links. */
function rank(path: string, { kind }: TreeEntry): number {
  if (kind === "directory") return 0;
  if (kind === "file") return 1;
  return isSwitch(path) ? 2 : 3;
}

function isSame(was: TreeEntry, entry: TreeEntry): boolean {
  return (["kind", "mode", "uid", "gid", "target"] as const).every((trait) => was[trait] === entry[trait]);
}

function deepestFirst([a]: readonly [string, TreeEntry], [b]: readonly [string, TreeEntry]): number {
  return b.split("/").length - a.split("/").length;
}
