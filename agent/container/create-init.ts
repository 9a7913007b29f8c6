import { statSync } from "node:fs";
import type { Fd, Kernel, LaunchedProcess } from "../kernel/kernel.ts";
import { checkSpec } from "./check-spec.ts";
import { type CreatePlan, compileCreate } from "./compile-create.ts";
import { withHome } from "./home.ts";
import { hasCreateHooks } from "./hooks.ts";
import { openForReading, openRoot, readTextInside } from "./inside.ts";
import { launch, openLaunchFds } from "./launch.ts";
import type { ContainerOptions } from "./maker.ts";
import { sortNamespaces } from "./namespaces.ts";
import { Process } from "./process.ts";
import { runCreateHooks } from "./run-hooks.ts";
import { seccompFilter } from "./seccomp-filter.ts";
import { securityModules } from "./security-labels.ts";
import type { Spec } from "./spec.ts";
import { openFirstTerminal } from "./terminal.ts";

/** Launches the init process of a container up to its release. On failure nothing is left behind. */
export async function createInit(
  kernel: Kernel,
  options: ContainerOptions,
  signal?: AbortSignal,
): Promise<{ readonly process: Process; readonly plan: CreatePlan }> {
  const { sys } = kernel;
  const { spec, id } = options;
  checkSpec(spec);
  const seccomp = spec.linux.seccomp && seccompFilter(spec.linux.seccomp);
  const slots = new Map<string, Fd>();
  try {
    const env = withHome(spec.process.env, spec.process.user.uid, () => passwdOf(kernel, spec));
    slots.set("cgroup", openRoot(options.cgroup));
    openNamespaces(spec, slots);
    const plan = compileCreate(spec, { env, sourceKind, hasModule: securityModules(kernel.files), seccomp });
    const terminal = spec.process.terminal ? openFirstTerminal(kernel, spec) : undefined;
    if (terminal?.mount !== undefined) slots.set("devpts", terminal.mount);
    const fds = openLaunchFds(kernel, {
      release: true,
      pipeSize: options.pipeSize,
      ...(terminal === undefined ? {} : { terminal }),
    });
    const hooks = (launched: LaunchedProcess) =>
      runCreateHooks(kernel, { id, spec, cgroup: options.cgroup, pid: launched.pid, pidfd: launched.pidfd }, signal);
    const atPause = hasCreateHooks(spec.hooks) ? hooks : undefined;
    const launched = await launch(kernel, plan, fds, slots, { container: id, exec: id }, signal, atPause);
    return { process: new Process(kernel, id, launched, fds.own, true), plan };
  } finally {
    for (const fd of slots.values()) sys.close(fd);
  }
}

function openNamespaces(spec: Spec, slots: Map<string, Fd>): void {
  const { join, pidPath } = sortNamespaces(spec.linux.namespaces);
  for (const { type, path } of join) slots.set(`ns:${type}`, openForReading(path));
  if (pidPath !== undefined) slots.set("pid", openForReading(pidPath));
}

function passwdOf(kernel: Kernel, spec: Spec): string | undefined {
  const root = openRoot(spec.root.path);
  try {
    return readTextInside(kernel.sys, root, "/etc/passwd");
  } finally {
    kernel.sys.close(root);
  }
}

function sourceKind(path: string): "directory" | "file" | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : stat.isDirectory() ? "directory" : "file";
}
