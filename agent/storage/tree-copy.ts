import { posix } from "node:path";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { ContainedFiles, FileRoot, Served } from "../kernel/files/contained-files.ts";
import { inDirectory, readContained, readPart } from "../kernel/files/read-contained.ts";
import { copyFile } from "./copy-file.ts";
import { scanTree, type TreeEntry, type TreeLimits } from "./scan-tree.ts";
import { openBeneath, openSharedRoot } from "./shared-path.ts";

/** Limits for looking at what containers have put into a copy. Beyond these, everything is copied again. */
const LEFT: TreeLimits = { files: 4096, bytes: Number.MAX_VALUE };

const PLAIN = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
/** The link that switches a volume of settings to a new version, all files at once. */
const SWITCH = "..data";

/**
 * A copy of a small tree that follows its source. Containers may have changed the copy, so files are written and
 * removed only below its root. A container that holds up its copy fails the calls of its own files alone.
 */
export class TreeCopy {
  readonly #contained: ContainedFiles;
  readonly #source: string;
  readonly #target: string;
  readonly #root: FileRoot;
  #known: ReadonlyMap<string, TreeEntry> | undefined;

  /** `root` holds both directories. */
  constructor(contained: ContainedFiles, root: FileRoot, source: string, target: string) {
    this.#contained = contained;
    this.#root = root;
    this.#source = source;
    this.#target = target;
  }

  /**
   * Updates the copy from the source. Returns false and does nothing if the source exceeds the limits. Each file is
   * replaced atomically. New files appear before the links that lead to them; old files are removed afterwards.
   */
  refresh(limits: TreeLimits): Promise<boolean> {
    return this.#contained.use(this.#root, (files) => this.#refresh(files, limits));
  }

  async #refresh(files: Served, limits: TreeLimits): Promise<boolean> {
    const now = await scanTree(files, this.#source, limits);
    if (now === undefined) return false;
    checkSwitches(now);
    const before = this.#known ?? (await scanTree(files, this.#target, LEFT));
    const old = [...(before ?? [])].sort(deepestFirst);
    for (const [path] of old.filter(([path, was]) => (now.get(path)?.kind ?? was.kind) !== was.kind)) {
      for (const [below, was] of old.filter(([other]) => other === path || other.startsWith(`${path}/`))) {
        await this.#remove(files, below, was);
      }
    }
    const paths = [...now].sort(([a, one], [b, other]) => rank(a, one) - rank(b, other) || (a < b ? -1 : 1));
    for (const [path, entry] of paths) {
      const was = before?.get(path);
      if (this.#known !== undefined && was?.version === entry.version) continue;
      await this.#put(files, path, entry, was);
    }
    const gone = old.filter(([path]) => !now.has(path));
    const isDirectory = ([, { kind }]: (typeof gone)[number]) => kind === "directory";
    for (const [path, was] of [...gone.filter((one) => !isDirectory(one)), ...gone.filter(isDirectory)]) {
      await this.#remove(files, path, was);
    }
    this.#known = now;
    return true;
  }

  async #put(files: Served, path: string, entry: TreeEntry, was: TreeEntry | undefined): Promise<void> {
    const data = entry.kind === "file" ? await this.#read(files, path, entry) : Buffer.from(entry.target);
    const same = was !== undefined && isSame(was, entry);
    if (same && (entry.kind !== "file" || (await this.#holds(files, path, data)))) return;
    const { mode, uid, gid } = entry;
    const parts = { mode, uid, gid, dirMode: 0o755, fileSize: data.length, offset: 0, data };
    const here: Pick<ContainedFiles, "use"> = { use: (_, calls) => calls(files) };
    await copyFile(here, { ...parts, path: `${this.#target}/${path}` }, this.#target);
  }

  /** Reads at most the size found by the scan. A file that grows is copied the next time. */
  #read(files: Served, path: string, { size }: TreeEntry): Promise<Buffer> {
    return inDirectory(files, this.#source, (dir) =>
      files.using(files.open(dir, path, O_NOFOLLOW, PLAIN), (file) => readPart(files, file, 0, size)),
    );
  }

  /** True if the copy's file has this content. A container may have made the file longer. */
  async #holds(files: Served, path: string, data: Buffer): Promise<boolean> {
    try {
      return await inDirectory(files, this.#target, async (dir) =>
        (await readContained(files, path, { limit: data.length }, { dir, resolve: PLAIN })).equals(data),
      );
    } catch {
      return false;
    }
  }

  /** Removes an entry, except a directory in which containers have left files. */
  async #remove(files: Served, path: string, { kind }: TreeEntry): Promise<void> {
    const names = path.split("/");
    const name = Buffer.from(names.pop() ?? "");
    try {
      await files.using(openSharedRoot(files, this.#target), (root) =>
        files.using(openBeneath(files, root, [".", ...names], O_PATH | O_DIRECTORY), (parent) =>
          files.unlink(parent, name, kind === "directory"),
        ),
      );
    } catch (error) {
      const code = error instanceof SystemError ? error.code : "";
      if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EISDIR"].includes(code)) throw error;
    }
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
