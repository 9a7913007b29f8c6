import { channel } from "node:diagnostics_channel";
import { constants, lstatSync, readdirSync, realpathSync } from "node:fs";
import { join, normalize } from "node:path";
import {
  DEFAULT_HOOK_TIMEOUT,
  HOOK_KINDS,
  type HookKind,
  type HookSpec,
  type HooksSpec,
} from "../container/hooks/hooks.ts";

const EXECUTABLE = constants.S_IXUSR | constants.S_IXGRP | constants.S_IXOTH;

/** What of a guest's hook directory was left out, and why: lines. */
export const guestHookProblems = channel("guestd.guest-hooks.problem");

/**
 * The hooks of the guest itself, for every container: executable regular files in `<path>/<kind>/`, by name, each with its
 * name and its kind as arguments. What is no such file, and whatever a symbolic link leads to, is left out and told;
 * nothing throws. Undefined when there are none.
 */
export function scanGuestHooks(path: string): HooksSpec | undefined {
  if (path === "") return undefined;
  try {
    const directory = plainDirectory(path);
    const given = HOOK_KINDS.map((kind) => [kind, scanKind(directory, kind)] as const).filter(
      ([, { length }]) => length,
    );
    return given.length === 0 ? undefined : Object.fromEntries(given);
  } catch (error) {
    leaveOut(path, (error as Error).message);
    return undefined;
  }
}

function scanKind(directory: string, kind: HookKind): HookSpec[] {
  const path = join(directory, kind);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  // Its path would be looked up in the container.
  const why = kind === "startContainer" ? "not run from the guest" : stat.isDirectory() ? undefined : "not a directory";
  if (why !== undefined) {
    leaveOut(path, why);
    return [];
  }
  const names = readdirSync(path).sort();
  return names
    .filter((name) => isProgram(join(path, name)))
    .map((name) => ({ path: join(path, name), args: [name, kind], env: [], timeout: DEFAULT_HOOK_TIMEOUT }));
}

function isProgram(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() && (stat.mode & EXECUTABLE) !== 0) return true;
  leaveOut(path, stat?.isFile() ? "not executable" : "not a regular file");
  return false;
}

/** The path without a link anywhere in it. */
function plainDirectory(path: string): string {
  const plain = normalize(path).replace(/(?<=.)\/+$/, "");
  if (!plain.startsWith("/")) throw new Error("not an absolute path");
  if (realpathSync(plain) !== plain) throw new Error("has a symbolic link in it");
  return plain;
}

function leaveOut(path: string, why: string): void {
  guestHookProblems.publish(`guest hooks: ${path}: ${why}`);
}
