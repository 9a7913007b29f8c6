import { openTerminals } from "../../kernel/contained-files.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openRoot } from "../files-in-root.ts";
import type { ProcessSpec } from "../spec.ts";

/** A new pty; both ends are the caller's. */
export interface Terminal {
  readonly master: Fd;
  readonly peer: Fd;
  readonly number: number;
}

/** The first pty of a container: of its own devpts, whose mount is not attached yet, or of the guest's where it has none. */
export function openFirstTerminal(kernel: Kernel, process: ProcessSpec, devpts: Fd | undefined): Terminal {
  return devpts === undefined ? openTerminalIn(kernel, "/dev/pts", process) : openTerminal(kernel, devpts, process);
}

/** A pty of a running container's devpts, or of the guest's where the container has none. */
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
    const line = "open a terminal: the container has as many ptys as its devpts allows";
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
    // No such directory, or one that is on another file system. That others hold up the look is no reason for another pty.
    if (error instanceof SystemError) return undefined;
    throw error;
  } finally {
    sys.close(root);
  }
}

/** A pty of the devpts that is mounted on a path of the guest. */
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
