import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openDirectoryInside, openRoot } from "../inside.ts";
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
export function openExecTerminal(kernel: Kernel, pid: number, process: ProcessSpec): Terminal {
  const directory = openDevptsOf(kernel, pid);
  if (directory === undefined) return openTerminalIn(kernel, "/dev/pts", process);
  try {
    return openTerminal(kernel, directory, process);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === "ENODEV") return openTerminalIn(kernel, "/dev/pts", process);
    if (error.code !== "ENOSPC") throw error;
    throw new AgentError("resource-exhausted", "open a terminal: the container has as many ptys as its devpts allows", {
      cause: error,
    });
  } finally {
    kernel.sys.close(directory);
  }
}

function openDevptsOf({ sys }: Kernel, pid: number): Fd | undefined {
  const root = openRoot(`/proc/${pid}/root`);
  try {
    return openDirectoryInside(sys, root, "/dev/pts");
  } catch {
    return undefined;
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
    return {
      master,
      peer: sys.terminalPeer(master),
      number: sys.terminalNumber(master),
    };
  } catch (error) {
    sys.close(master);
    throw error;
  }
}
