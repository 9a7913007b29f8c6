import { constants, mkdirSync, openSync } from "node:fs";
import { O_PATH, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";

/** The one place below which hosts put files. */
export const SHARED_ROOT = "/run/kata-containers/shared/containers";

const MAX_PATH = 4095;
const { O_DIRECTORY } = constants;

/** The names of a path below `root`, which it must have at its beginning. Throws for one that could mean another place. */
export function namesBelow(root: string, path: string): readonly [string, ...string[]] {
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `path ${JSON.stringify(path.slice(0, 200))} ${why}`);
  if (path.includes("\0")) throw refuse("has a NUL byte in it");
  if (Buffer.byteLength(path) > MAX_PATH) throw refuse(`is longer than ${MAX_PATH} bytes`);
  const split = (text: string) => text.split("/").filter((name) => name !== "" && name !== ".");
  const names = split(path);
  if (names.includes("..")) throw refuse('has ".." in it');
  const above = split(root);
  const [first, ...rest] = names.slice(above.length);
  if (!path.startsWith("/") || above.some((name, index) => names[index] !== name) || first === undefined) {
    throw refuse(`is not below ${root}`);
  }
  return [first, ...rest];
}

/** O_PATH; made if it is not there. Closed by the caller. */
export function openSharedRoot(root: string): Fd {
  mkdirSync(root, { recursive: true, mode: 0o755 });
  return openSync(root, O_PATH | O_DIRECTORY);
}

/** Opens what is below a directory: links are followed, but none that leads out, be it for a moment. */
export function openBeneath(sys: Pick<Sys, "openat2">, dir: Fd, names: readonly string[], flags: number): Fd {
  try {
    return sys.openat2(dir, names.join("/"), flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EXDEV") throw error;
    throw new AgentError("invalid-argument", `a link on the way to ${JSON.stringify(names.join("/"))} leads out`);
  }
}
