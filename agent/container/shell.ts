import { openSync } from "node:fs";
import { SystemError } from "../kernel/error.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { type LaunchFds, launch, openLaunchFds } from "./launch.ts";
import { PlanBuilder } from "./plan/plan-builder.ts";
import { Process } from "./process/process.ts";
import { type ProcessLabel, readLabel } from "./process/process-label.ts";
import { openTerminalIn } from "./process/terminal.ts";

/** Candidates for the shell; the first that exists is used. */
const SHELLS = ["/run/kata-extensions/devkit/bin/sh", "/bin/bash", "/bin/sh"];
const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux"];
const CONSOLE = "/dev/console";
const O_RDWR = 2;
const O_NOCTTY = 0o400;

let count = 0;

/**
 * Launches a root shell in the guest itself, outside of any container, on a new pty. Rejects if the image has no
 * shell.
 */
export function launchShell(kernel: Kernel): Promise<Process> {
  const terminal = openTerminalIn(kernel, "/dev/pts");
  return launchShellOn(kernel, `console-${++count}`, openLaunchFds(kernel, { terminal, release: false, pipeSize: 0 }));
}

/**
 * Launches such a shell on the guest's console, as its controlling process. It keeps running if the agent is killed.
 */
export function launchConsoleShell(kernel: Kernel, path = CONSOLE): Promise<Process> {
  const terminal = openConsole(path);
  const { read, write } = kernel.sys.pipe();
  const child = new Map([
    ["report", write],
    ["terminal", terminal],
  ]);
  return launchShellOn(kernel, CONSOLE, { own: {}, child, report: read });
}

/** Restores the console shell that an earlier agent launched, if there is one. */
export function restoreConsoleShell(kernel: Kernel): Process | undefined {
  const found = kernel.init.greeting.processes.find(({ label }) => isConsoleShell(readLabel(label)));
  return found && Process.restore(kernel, CONSOLE, found);
}

export function isConsoleShell(label: ProcessLabel | undefined): boolean {
  return label?.container === "" && label.exec === CONSOLE;
}

async function launchShellOn(kernel: Kernel, name: string, fds: LaunchFds): Promise<Process> {
  const plan = new PlanBuilder();
  plan.slot("report");
  const terminal = plan.slot("terminal");
  plan.add(
    "debug console",
    { op: "setsid" },
    { op: "stdio", stdin: terminal, stdout: terminal, stderr: terminal },
    { op: "ctty" },
    { op: "chdir", path: "/" },
    { op: "find", candidates: SHELLS },
    { op: "exec", args: ["sh"], env: ENV },
  );
  const launched = await launch(kernel, plan.finish(), fds, new Map(), { container: "", exec: name });
  // No output journal: the output goes to a socket that ends with the agent, or doesn't pass through the agent at all.
  const { outputs: _, ...rest } = kernel;
  const process = Process.take(rest, name, launched, fds.own);
  process.closeStartFds();
  return process;
}

function openConsole(path: string): Fd {
  try {
    return openSync(path, O_RDWR | O_NOCTTY);
  } catch (error) {
    throw new SystemError("open", -((error as NodeJS.ErrnoException).errno ?? 0), path);
  }
}
