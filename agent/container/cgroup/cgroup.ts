import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { O_DIRECTORY, O_PATH } from "../../kernel/constants.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";

const EBUSY = 16;
/** System calls in a row before yielding to the event loop: some milliseconds. */
const AT_ONCE = 128;
/** Limit for a directory's path plus a name in it; leaves room for one more file name. */
const MAX_PATH = 4000;

/**
 * Creates the cgroup `path` (from cgroupPath) below `root`, with its parents, and delegates all of each parent's
 * controllers to its children. Returns the directory. An existing empty cgroup is reused; one with processes fails with
 * ALREADY_EXISTS.
 */
export function createCgroup(files: Files, root: string, path: string): string {
  let directory = root;
  const created: string[] = [];
  try {
    for (const part of path.split("/").filter((text) => text !== "")) {
      delegateControllers(files, directory);
      directory = `${directory}/${part}`;
      if (files.exists(directory)) continue;
      attempt("mkdir", directory, () => files.makeDirectory(directory));
      created.push(directory);
    }
    const isNew = created.at(-1) === directory;
    if (!isNew && /^populated 1$/m.test(files.readText(`${directory}/cgroup.events`))) {
      throw new AgentError(
        "already-exists",
        `create cgroup ${path}: it has processes already; use another cgroupsPath`,
      );
    }
  } catch (error) {
    for (const each of created.reverse()) tryRemove(files, each);
    throw error;
  }
  return directory;
}

/** Pids of the processes in the cgroup and in those below it, as the agent sees them. Empty if the cgroup is gone. */
export function cgroupProcs(files: Files, directory: string): number[] {
  return subtree(files, directory).flatMap((each) => {
    // A threaded cgroup can't be read: its processes are listed in the domain above it.
    const text = orUndefined(() => files.readText(`${each}/cgroup.procs`)) ?? "";
    return (text.match(/\d+/g) ?? []).map(Number);
  });
}

/** Sends SIGKILL to every process in the cgroup and below; does nothing if it is gone. The processes die soon after. */
export function killCgroup(files: Files, directory: string): void {
  if (write(files, `${directory}/cgroup.kill`, "1")) return;
  // Before Linux 5.14: frozen processes can't fork, and SIGKILL kills them all the same.
  write(files, `${directory}/cgroup.freeze`, "1");
  for (const pid of cgroupProcs(files, directory)) {
    // 0 stands for a process outside of the agent's pid namespace.
    if (pid > 0) orUndefined(() => process.kill(pid, "SIGKILL"));
  }
  write(files, `${directory}/cgroup.freeze`, "0");
}

/**
 * Removes the cgroup, all below it, and the parents up to `root` that are then empty. Killed processes take a moment to
 * leave, so a busy cgroup is retried, 1 ms to 50 ms apart, for `timeoutMs`; then it throws one line.
 */
export async function removeCgroup(files: Files, root: string, directory: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    const refused = await removeTree(files, directory);
    if (refused === undefined) break;
    if (refused.errno !== -EBUSY || performance.now() >= deadline) throw removalError(files, refused, timeoutMs);
    await sleep(pause);
  }
  let parent = dirname(directory);
  while (parent.startsWith(`${root}/`) && tryRemove(files, parent) === undefined) parent = dirname(parent);
}

interface Refused {
  readonly path: string;
  readonly errno: number;
}

/**
 * Removes a cgroup and all below it, children first; stops at the first that can't be removed. Most cgroups have no
 * children and need one call. A container that may create cgroups can have created thousands, so it yields to the event
 * loop every few calls.
 */
async function removeTree(files: Files, directory: string): Promise<Refused | undefined> {
  if (tryRemove(files, directory) === undefined) return undefined;
  let steps = 0;
  const step = () => (++steps % AT_ONCE === 0 ? immediate() : undefined);
  const open: number[] = [];
  try {
    const found = [directory];
    for (const path of found) {
      await step();
      let above = path;
      for (const name of orUndefined(() => files.list(path)) ?? []) {
        await step();
        // Containers can nest cgroups deeply with names of 255 bytes, but the kernel rejects paths of 4096 bytes.
        if (above === path && path.length + name.length > MAX_PATH) above = byDescriptor(path, open);
        if (files.exists(`${above}/${name}/cgroup.procs`)) found.push(`${above}/${name}`);
      }
    }
    for (const path of found.reverse()) {
      await step();
      const error = tryRemove(files, path);
      if (error !== undefined) return { path, errno: error.errno ?? -EBUSY };
    }
    return undefined;
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/** Opens the directory into `open` and returns a short path to it, which is valid while that descriptor is open. */
function byDescriptor(path: string, open: number[]): string {
  const fd = openSync(path, O_PATH | O_DIRECTORY);
  open.push(fd);
  return `/proc/self/fd/${fd}`;
}

function removalError(files: Files, { path, errno }: Refused, timeoutMs: number): SystemError {
  if (errno !== -EBUSY) return new SystemError("rmdir", -errno, path);
  const pids = cgroupProcs(files, path);
  const why = pids.length === 0 ? "" : `; still in it: ${pids.slice(0, 10).join(", ")}`;
  return new SystemError("rmdir", EBUSY, path, `busy for ${timeoutMs} ms${why}`);
}

/** Enables all of the directory's cgroup.controllers in its cgroup.subtree_control, unless they are enabled. */
function delegateControllers(files: Files, directory: string): void {
  const words = (file: string) => files.readText(`${directory}/${file}`).trim().split(" ");
  const enabled = new Set(words("cgroup.subtree_control"));
  const missing = words("cgroup.controllers").filter((name) => name !== "" && !enabled.has(name));
  if (missing.length === 0) return;
  const control = `${directory}/cgroup.subtree_control`;
  if (write(files, control, missing.map((name) => `+${name}`).join(" "))) return;
  // One write enables all or nothing. One by one, only the unsupported are missing; a limit that needs one names it.
  for (const name of missing) write(files, control, `+${name}`);
}

/** The directory and those below it, parents first; empty if it is gone. */
function subtree(files: Files, directory: string): string[] {
  const names = orUndefined(() => files.list(directory));
  if (names === undefined) return [];
  const children = names.map((name) => `${directory}/${name}`).filter((path) => files.exists(`${path}/cgroup.procs`));
  return [directory, ...children.flatMap((child) => subtree(files, child))];
}

/** Removes a cgroup; returns the error if that fails, or undefined if the cgroup is gone. */
function tryRemove(files: Files, path: string): NodeJS.ErrnoException | undefined {
  try {
    files.removeDirectory(path);
    return undefined;
  } catch (error) {
    return files.exists(path) ? (error as NodeJS.ErrnoException) : undefined;
  }
}

/** Returns false if the write fails. */
function write(files: Files, path: string, value: string): boolean {
  try {
    files.writeText(path, value);
    return true;
  } catch {
    return false;
  }
}

function orUndefined<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function attempt(call: string, object: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).errno;
    throw errno === undefined ? error : new SystemError(call, -errno, object);
  }
}
