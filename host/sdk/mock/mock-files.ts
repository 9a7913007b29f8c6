import { constants } from "node:fs";
import { cp, lstat, mkdir, mkdtemp, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { ToolError, type ToolErrorKind } from "../../engine/container/files/tool-error.ts";
import type { CopyReport, FileDriver, FileInfo, FileType } from "../files/file-driver.ts";

const KINDS: Readonly<Record<string, ToolErrorKind>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EEXIST: "already-exists",
  ENOTEMPTY: "already-exists",
  EISDIR: "invalid-argument",
  EACCES: "permission-denied",
  EPERM: "permission-denied",
};
const TEXTS: Readonly<Record<string, string>> = {
  ENOENT: "No such file or directory",
  ENOTDIR: "Not a directory",
  EEXIST: "File exists",
  ENOTEMPTY: "Directory not empty",
  EISDIR: "Is a directory",
};
const FLAGS = { truncate: "w", append: "a", create: "wx" } as const;
const PERMISSIONS = 0o7777;

/** The files of a mock: a temporary directory of this machine, which is removed with it. */
export class MockFiles implements FileDriver {
  #root: Promise<string> | undefined;

  /** Copies all files to those of another sandbox. */
  async copyTo(other: MockFiles): Promise<void> {
    if (this.#root === undefined) return;
    other.#root ??= makeRoot();
    await cp(await this.#root, await other.#root, { recursive: true, verbatimSymlinks: true });
  }

  async *read(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const file = await this.#do(path, async (real) => {
      if ((await stat(real)).isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
      return open(real);
    });
    try {
      yield* file.createReadStream({ autoClose: false, signal });
    } finally {
      await file.close();
    }
  }

  async write(...[path, data, { how, mode }, signal]: Parameters<FileDriver["write"]>): Promise<void> {
    await this.#do(path, (real) => writeFile(real, data, { flag: FLAGS[how], mode, signal }));
  }

  list(path: string): Promise<readonly FileInfo[]> {
    return this.#do(path, async (real) => {
      return Promise.all((await readdir(real)).map((name) => infoOf(join(real, name), false)));
    });
  }

  stat(path: string, follow: boolean): Promise<FileInfo> {
    return this.#do(path, (real) => infoOf(real, follow));
  }

  async mkdir(...[path, { mode, parents }]: Parameters<FileDriver["mkdir"]>): Promise<void> {
    await this.#do(path, (real) => mkdir(real, { mode, recursive: parents }));
  }

  async rename(from: string, to: string): Promise<void> {
    const target = await this.#real(to);
    if (await lstat(target).catch(() => undefined)) throw new ToolError(`${to}: File exists`, "already-exists");
    await this.#do(from, (real) => rename(real, target));
  }

  async remove(path: string, { recursive }: { readonly recursive: boolean }): Promise<void> {
    await this.#do(path, async (real) => {
      if (!recursive && (await lstat(real)).isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
      await rm(real, { recursive });
    });
  }

  async upload(local: string, path: string): Promise<CopyReport> {
    return this.#do(path, async (real) => copy(local, (await isDirectory(real)) ? join(real, basename(local)) : real));
  }

  async download(path: string, local: string): Promise<CopyReport> {
    return this.#do(path, async (real) => copy(real, (await isDirectory(local)) ? join(local, basename(path)) : local));
  }

  async close(): Promise<void> {
    const root = this.#root;
    this.#root = undefined;
    if (root !== undefined) await rm(await root, { recursive: true, force: true });
  }

  /** Returns the place of a path, which never leads out of the directory. */
  async #real(path: string): Promise<string> {
    this.#root ??= makeRoot();
    return join(await this.#root, posix.resolve("/root", path));
  }

  async #do<T>(path: string, work: (real: string) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#real(path));
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      const kind = KINDS[code];
      throw kind === undefined ? error : new ToolError(`${path}: ${TEXTS[code] ?? code}`, kind);
    }
  }
}

async function makeRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "guestd-mock-"));
  for (const name of ["root", "tmp", "etc"]) await mkdir(join(root, name));
  return root;
}

async function infoOf(real: string, follow: boolean): Promise<FileInfo> {
  const { mode, uid, gid, size, mtime } = await (follow ? stat : lstat)(real);
  return { name: basename(real), type: typeOf(mode), size, mode: mode & PERMISSIONS, uid, gid, modified: mtime };
}

function typeOf(mode: number): FileType {
  const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = constants;
  const types: Readonly<Record<number, FileType>> = { [S_IFREG]: "file", [S_IFDIR]: "directory", [S_IFLNK]: "link" };
  return types[mode & S_IFMT] ?? "other";
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function copy(from: string, to: string): Promise<CopyReport> {
  await stat(dirname(to));
  let members = 0;
  const filter = () => {
    members++;
    return true;
  };
  await cp(from, to, { recursive: true, verbatimSymlinks: true, filter });
  return { members, notes: [] };
}
