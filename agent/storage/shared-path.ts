import { constants, mkdirSync, openSync } from "node:fs";
import { O_PATH, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";

/** The directory below which hosts may put files. */
export const SHARED_ROOT = "/run/kata-containers/shared/containers";

const MAX_PATH = 4095;
const { O_DIRECTORY } = constants;

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

/** Opens the shared root with O_PATH, creating it if necessary. The caller closes it. */
export function openSharedRoot(root: string): Fd {
  mkdirSync(root, { recursive: true, mode: 0o755 });
  return openSync(root, O_PATH | O_DIRECTORY);
}

/** Opens an entry below a directory. Follows links unless one leads outside, even temporarily. */
export function openBeneath(sys: Pick<Sys, "openat2">, dir: Fd, names: readonly string[], flags: number): Fd {
  try {
    return sys.openat2(dir, names.join("/"), flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EXDEV") throw error;
    throw invalidArgument(`a link on the way to ${JSON.stringify(names.join("/"))} leads outside`);
  }
}
