import { mkdirSync } from "node:fs";
import { O_DIRECTORY, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import { directoryOwner, type Served } from "../kernel/files/contained-files.ts";
import { type Handle, ROOT } from "../kernel/files/served-files.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";

/** The directory below which hosts may put files. */
export const SHARED_ROOT = "/run/kata-containers/shared/containers";
/** The directory in it that hosts of runtime-rs use instead. */
const INNER = "passthrough";

const MAX_PATH = 4095;

/** Resolution of a path of the shared root: no link leads outside, not even temporarily. */
export const BENEATH = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;

/** Splits a path below `root` into names. Throws unless the path begins with `root` and can only lead below it. */
export function namesBelow(root: string, path: string): readonly [string, ...string[]] {
  const refuse = (why: string) => invalidArgument(`path ${quoted(path, 200)} ${why}`);
  if (path.includes("\0")) throw refuse("contains a NUL byte");
  if (Buffer.byteLength(path) > MAX_PATH) throw refuse(`is longer than ${MAX_PATH} bytes`);
  const split = (text: string) => text.split("/").filter((name) => name !== "" && name !== ".");
  const names = split(path);
  if (names.includes("..")) throw refuse('contains ".."');
  const above = split(root);
  const [first, ...rest] = names.slice(above.length);
  if (!path.startsWith("/") || above.some((name, index) => names[index] !== name) || first === undefined) {
    throw refuse(`is not below ${root}`);
  }
  return [first, ...rest];
}

/**
 * Returns whose files an entry of the shared root is among, for its file server: the names of a container's volumes and rootfs
 * begin with its id, up to the first "-". Containers that see them may hold up calls there, and no others. "" for a file in
 * the root itself, which no container sees.
 */
export function ownerOf(root: string, names: readonly string[], isDirectory: boolean): string {
  const inner = names[0] === INNER ? 1 : 0;
  const [name = "", ...rest] = names.slice(inner);
  if (rest.length === 0 && !isDirectory) return "";
  return directoryOwner([root, ...names.slice(0, inner), name.split("-", 1)[0]].join("/"));
}

/** Opens the shared root with O_PATH, creating it if necessary. The caller closes it. */
export async function openSharedRoot(files: Served, root: string): ReturnType<Served["open"]> {
  try {
    return await files.open(ROOT, root, O_PATH | O_DIRECTORY);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "ENOENT") throw error;
    // No container sees the directories above it.
    mkdirSync(root, { recursive: true, mode: 0o755 });
    return await files.open(ROOT, root, O_PATH | O_DIRECTORY);
  }
}

/** Opens an entry below a directory. Follows links unless one leads outside, even temporarily. */
export async function openBeneath(
  files: Served,
  dir: Handle,
  names: readonly string[],
  flags: number,
): ReturnType<Served["open"]> {
  try {
    return await files.open(dir, names.join("/"), flags, BENEATH);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EXDEV") throw error;
    throw invalidArgument(`a link on the way to ${JSON.stringify(names.join("/"))} leads outside`);
  }
}
