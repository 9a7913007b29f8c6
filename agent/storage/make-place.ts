import { posix } from "node:path";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { FileRoot, Served } from "../kernel/files/contained-files.ts";
import { inParent, makeMissing } from "../kernel/files/make-missing.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { plainPath } from "../kernel/plain-path.ts";

export type PlaceKernel = Pick<Kernel, "files" | "contained">;

/**
 * Creates a storage's mount point or directory, an empty file if `isFile`; resolves to false if it exists. A file server makes
 * the calls if containers see the way to it. Rejects with one line.
 */
export async function makePlace(
  { files, contained }: PlaceKernel,
  { driver, seen }: { readonly driver: string; readonly seen?: FileRoot | undefined },
  path: string,
  isFile = false,
): Promise<boolean> {
  const directory = isFile ? posix.dirname(path) : path;
  try {
    if (seen !== undefined) return await contained.use(seen, (served) => makeServed(served, plainPath(path), isFile));
    if (files.exists(path)) return false;
    files.makeDirectory(directory);
    if (isFile) files.replace(path, "");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EROFS") throw error;
    const why = "EROFS (read-only file system): on a share, the host must create it";
    throw new AgentError("internal", `${driver} storage: mkdir ${directory}: ${why}`, { cause: error });
  }
}

async function makeServed(files: Served, path: string, isFile: boolean): Promise<boolean> {
  if (!isFile) return await makeMissing(files, path);
  await makeMissing(files, posix.dirname(path));
  try {
    await inParent(files, path, (dir, name) => files.using(files.create(dir, name), async () => undefined));
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "EEXIST") return false;
    throw error;
  }
}
