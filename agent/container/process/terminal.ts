import { openTerminals } from "../../kernel/contained-files.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
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
  pid: number,
  process: ProcessSpec,
  signal?: AbortSignal,
): Promise<Terminal> {
  const directory = await openDevptsOf(kernel, pid, signal);
  if (directory === undefined) return openTerminalIn(kernel, "/dev/pts", process);
  try {
    return openTerminal(kernel, directory, process);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === "ENOSPC")) throw error;
    const line = "open terminal: all ptys that the container's devpts allows are in use";
    throw new AgentError("resource-exhausted", line, { cause: error });
  } finally {
    kernel.sys.close(directory);
  }
}

async function openDevptsOf({ sys }: Kernel, pid: number, signal: AbortSignal | undefined): Promise<Fd | undefined> {
  const root = openRoot(`/proc/${pid}/root`);
  try {
    return await openTerminals(sys, root, signal);
  } catch (error) {
    // The directory doesn't exist, or is on another file system. A lookup that hangs is no reason for another pty.
    if (error instanceof SystemError) return undefined;
    throw error;
  } finally {
    sys.close(root);
  }
}

/** Opens a pty in the devpts that is mounted on a guest path. */
export function openTerminalIn(kernel: Kernel, path: string, process?: ProcessSpec): Terminal {
  const directory = openRoot(path);
  try {
    return openTerminal(kernel, directory, process);
  } finally {
    kernel.sys.close(directory);
  }
}

function openTerminal({ sys }: Kernel, directory: Fd, process: ProcessSpec | undefined): Terminal {
  const master = sys.openTerminal(directory);
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
