import type { Kernel } from "../kernel/kernel.ts";
import { launch, openLaunchFds } from "./launch.ts";
import { PlanBuilder } from "./plan-builder.ts";
import { Process } from "./process/process.ts";
import { openTerminalIn } from "./process/terminal.ts";

/** The first that exists is the shell. */
const SHELLS = ["/run/kata-extensions/devkit/bin/sh", "/bin/bash", "/bin/sh"];
const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux"];

let count = 0;

/** A root shell of the guest itself, in no container, on a new pty. Rejects when the image has no shell. */
export async function launchShell(kernel: Kernel): Promise<Process> {
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
  const name = `console-${++count}`;
  const fds = openLaunchFds(kernel, { terminal: openTerminalIn(kernel, "/dev/pts"), release: false, pipeSize: 0 });
  const launched = await launch(kernel, plan.finish(), fds, new Map(), { container: "", exec: name });
  // Its output goes to a socket that ends with the agent.
  const { sys, init, files } = kernel;
  const process = new Process({ sys, init, files }, name, launched, fds.own);
  process.closeStartFds();
  return process;
}
