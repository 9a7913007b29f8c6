import { openSync } from "node:fs";
import type { Fd, KeptFds, Kernel } from "../../kernel/kernel.ts";
import type { ProcessSpec } from "../spec.ts";
import type { Stdio } from "./runtime-command.ts";

/** Stdio of a process created by a runtime: descriptors for its command and those the agent keeps. */
export interface RuntimeStdio {
  readonly command: Stdio;
  /** Path of the socket on which the runtime sends the terminal. */
  readonly consoleSocket?: string;
  /** Returns the agent's ends, which the caller then owns; call it after the command succeeded. */
  take(): Promise<KeptFds>;
  /** Closes whatever take() did not return. */
  close(): void;
}

/** A runtime sends the terminal before its command ends or soon after. */
const SENT_MS = 5000;

let sockets = 0;

/** Opens pipes, which the process inherits from the command, or a socket for a terminal that the runtime creates. */
export function openRuntimeStdio(
  kernel: Kernel,
  process: ProcessSpec,
  options: { readonly directory: string; readonly pipeSize: number },
): RuntimeStdio {
  return process.terminal ? openTerminal(kernel, process, options.directory) : openPipes(kernel, options.pipeSize);
}

/** /dev/null three times, for a command that creates no process. */
export function nullStdio(): Stdio {
  return [openNull(), openNull(), openNull()];
}

function openPipes({ sys }: Kernel, pipeSize: number): RuntimeStdio {
  const opened: Fd[] = [];
  const pipe = () => {
    const ends = sys.pipe(pipeSize > 0 ? { sizeBytes: pipeSize } : {});
    opened.push(ends.read, ends.write);
    return ends;
  };
  try {
    const [stdin, stdout, stderr] = [pipe(), pipe(), pipe()];
    const own = { stdin: stdin.write, stdout: stdout.read, stderr: stderr.read };
    let taken = false;
    return {
      command: [stdin.read, stdout.write, stderr.write],
      async take() {
        taken = true;
        return own;
      },
      close() {
        if (!taken) for (const fd of Object.values(own)) sys.close(fd);
      },
    };
  } catch (error) {
    for (const fd of opened) sys.close(fd);
    throw error;
  }
}

function openTerminal({ sys, files }: Kernel, process: ProcessSpec, directory: string): RuntimeStdio {
  // Kept short: a socket path has at most 107 bytes, and an id may have 200.
  const path = `${directory}/tty-${++sockets}`;
  files.removeTree(path);
  const listener = sys.listenUnix(path);
  return {
    command: nullStdio(),
    consoleSocket: path,
    async take() {
      const terminal = await sys.acceptDescriptor(listener, AbortSignal.timeout(SENT_MS));
      const { height = 0, width = 0 } = process.consoleSize ?? {};
      try {
        if (height > 0) sys.setWindowSize(terminal, height, width);
      } catch (error) {
        sys.close(terminal);
        throw error;
      }
      return { terminal };
    },
    close() {
      sys.close(listener);
      files.removeTree(path);
    },
  };
}

function openNull(): Fd {
  return openSync("/dev/null", "r+");
}
