import { O_DIRECTORY, O_PATH } from "../../kernel/constants.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { FileRoot, Served } from "../../kernel/files/contained-files.ts";
import { ROOT } from "../../kernel/files/served-files.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import { openRoot } from "../files-in-root.ts";
import type { ProcessSpec } from "../spec.ts";

/** A new pty; the caller owns both ends. */
export interface Terminal {
  readonly master: Fd;
  readonly peer: Fd;
  readonly number: number;
}

/**
 * Opens a container's first pty: in its own devpts, whose mount is not attached yet, or in the guest's if it has
 * none.
 */
export function openFirstTerminal(kernel: Kernel, process: ProcessSpec, devpts: Fd | undefined): Terminal {
  return devpts === undefined ? openTerminalIn(kernel, "/dev/pts", process) : openTerminal(kernel, devpts, process);
}

/** Opens a pty in a running container's devpts, or in the guest's if the container has none. */
export async function openExecTerminal(
  kernel: Kernel,
  root: FileRoot,
  process: ProcessSpec,
  signal?: AbortSignal,
): Promise<Terminal> {
  const master = await openMasterOf(kernel, root, signal);
  return master === undefined ? openTerminalIn(kernel, "/dev/pts", process) : prepare(kernel, master, process);
}

async function openMasterOf({ sys, contained }: Kernel, root: FileRoot, signal?: AbortSignal): Promise<Fd | undefined> {
  const opening = contained.use(root, openMaster);
  try {
    return await (signal === undefined ? opening : waitUntil(opening, signal));
  } catch (error) {
    opening.then((fd) => fd !== undefined && sys.close(fd), nothing);
    if (!(error instanceof SystemError && error.code === "ENOSPC")) throw error;
    const line = "open terminal: all ptys that the container's devpts allows are in use";
    throw new AgentError("resource-exhausted", line, { cause: error });
  }
}

/** Resolves with undefined if /dev/pts doesn't exist, or is no devpts. A look-up that hangs is no reason for another pty. */
async function openMaster(files: Served): Promise<Fd | undefined> {
  const directory = await files.open(ROOT, "/dev/pts", O_PATH | O_DIRECTORY).catch(unlessSystem);
  if (directory === undefined) return undefined;
  try {
    return await files.openTerminal(directory.handle);
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENODEV") return undefined;
    throw error;
  } finally {
    files.close(directory.handle);
  }
}

function unlessSystem(error: unknown): undefined {
  if (!(error instanceof SystemError)) throw error;
}

const nothing = () => undefined;

/** Opens a pty in the devpts that is mounted on a guest path. */
export function openTerminalIn(kernel: Kernel, path: string, process?: ProcessSpec): Terminal {
  const directory = openRoot(path);
  try {
    return openTerminal(kernel, directory, process);
  } finally {
    kernel.sys.close(directory);
  }
}

function openTerminal(kernel: Kernel, directory: Fd, process: ProcessSpec | undefined): Terminal {
  return prepare(kernel, kernel.sys.openTerminal(directory), process);
}

/** Sets the size of a new pty and opens its other end. Owns the master. */
function prepare({ sys }: Kernel, master: Fd, process: ProcessSpec | undefined): Terminal {
  try {
    const size = process?.consoleSize;
    if (size !== undefined) sys.setWindowSize(master, size.height, size.width);
    const number = sys.terminalNumber(master);
    return { master, peer: sys.terminalPeer(master), number };
  } catch (error) {
    sys.close(master);
    throw error;
  }
}
