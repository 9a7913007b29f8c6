import { guestRoot } from "../kernel/files/contained-files.ts";
import type { Fd, Kernel, LaunchedProcess } from "../kernel/kernel.ts";
import { plainPath } from "../kernel/plain-path.ts";
import { fileSystemAnswers } from "../kernel/wait/file-system-answers.ts";
import { delegateCgroup } from "./cgroup/delegate-cgroup.ts";
import { openForReading, openRoot, readTextInside } from "./files-in-root.ts";
import { hasCreateHooks } from "./hooks/hooks.ts";
import { runCreateHooks } from "./hooks/run-hooks.ts";
import { type Launched, type LaunchFds, launch, openLaunchFds } from "./launch.ts";
import { staysShared } from "./mounts/compile-root.ts";
import { makeMissingSources } from "./mounts/missing-sources.ts";
import { isBind, isDevpts } from "./mounts/mount-kind.ts";
import { mountPointOf } from "./mounts/mount-point.ts";
import { openOwnMounts } from "./mounts/open-own-mounts.ts";
import { mountSlot, ownMounts } from "./mounts/own-mounts.ts";
import { sortNamespaces } from "./namespaces/namespaces.ts";
import { openUserNamespace } from "./namespaces/user-namespace.ts";
import { namesOf } from "./passfd/passed-stream.ts";
import { compileCreate } from "./plan/compile-create.ts";
import type { LaunchPlan } from "./plan/plan-builder.ts";
import { withHome } from "./process/home.ts";
import { Process } from "./process/process.ts";
import { securityModules } from "./process/security-labels.ts";
import { chownStdio } from "./process/stdio-owner.ts";
import { openFirstTerminal } from "./process/terminal.ts";
import type { ContainerOptions } from "./runtime/runtime.ts";
import { seccompFilter } from "./seccomp/seccomp-filter.ts";
import type { MountSpec, Spec } from "./spec.ts";

/** Launches a container's init process up to where it waits for its release. Rolls back on failure. */
export async function createInit(
  kernel: Kernel,
  options: ContainerOptions,
  signal?: AbortSignal,
): Promise<{ readonly process: Process; readonly plan: LaunchPlan }> {
  const { id } = options;
  const spec = withPlainPaths(options.spec);
  await fileSystemAnswers(kernel.files, spec.root.path, signal);
  const seccomp = spec.linux.seccomp && seccompFilter(spec.linux.seccomp);
  const passwd = () => readTextInside(kernel.contained, guestRoot(id, spec.root.path), "/etc/passwd", signal);
  const env = await withHome(spec.process.env, spec.process.user.uid, passwd);
  const under = staysShared(spec.linux.rootfsPropagation) ? mountUnder(kernel, spec) : undefined;
  const plan = compileCreate(spec, { env, hasLabel: securityModules(kernel.files), seccomp, under });
  const attempt = () => launchInit(kernel, { ...options, spec }, plan, signal);
  const { launched, fds } = await attempt().catch(async (error: unknown) => {
    if (await makeMissingSources(kernel.contained, { id, mounts: spec.mounts }, error, signal)) return attempt();
    throw error;
  });
  if (launched.stepMicros.length > 0) options.onMeasured?.(launched.stepMicros);
  return { process: Process.take(kernel, id, launched, fds.own, true, options.passed), plan };
}

/** Resolves links in the guest paths that the plan opens, because init opens them without following links. */
function withPlainPaths(spec: Spec): Spec {
  const plain = (mount: MountSpec) => (isBind(mount) ? { ...mount, source: plainPath(mount.source) } : mount);
  return { ...spec, root: { ...spec.root, path: plainPath(spec.root.path) }, mounts: spec.mounts.map(plain) };
}

async function launchInit(
  kernel: Kernel,
  { id, spec, cgroup, pipeSize, passed }: ContainerOptions,
  plan: LaunchPlan,
  signal: AbortSignal | undefined,
): Promise<{ readonly launched: Launched; readonly fds: LaunchFds }> {
  const slots = new Map<string, Fd>();
  try {
    slots.set("cgroup", openRoot(cgroup));
    await openNamespaces(kernel, spec, slots);
    if (ownMounts(spec).size > 0) await openOwnMounts(kernel, spec, slots, signal);
    delegateCgroup(kernel.files, cgroup, spec);
    const devpts = slots.get(mountSlot(spec.mounts.findIndex(isDevpts)));
    const terminal = spec.process.terminal ? openFirstTerminal(kernel, spec.process, devpts) : undefined;
    const fds = openLaunchFds(kernel, { release: true, pipeSize, terminal });
    chownStdio(kernel.sys, fds, spec.process, spec.linux);
    const hooks = ({ pid, pidfd }: LaunchedProcess) => runCreateHooks(kernel, { id, spec, cgroup, pid, pidfd }, signal);
    const atPause = hasCreateHooks(spec.hooks) ? hooks : undefined;
    const label = { container: id, exec: id, ...namesOf(passed) };
    return { launched: await launch(kernel, plan, fds, slots, label, signal, atPause), fds };
  } finally {
    for (const fd of slots.values()) kernel.sys.close(fd);
  }
}

async function openNamespaces(kernel: Kernel, { linux }: Spec, slots: Map<string, Fd>): Promise<void> {
  const { join, pidPath, user } = sortNamespaces(linux.namespaces);
  for (const { type, path } of join) slots.set(`ns:${type}`, openForReading(path));
  if (pidPath !== undefined) slots.set("pid", openForReading(pidPath));
  if (user === undefined) return;
  const { uidMappings = [], gidMappings = [] } = linux;
  slots.set("ns:user", user === "" ? await openUserNamespace(kernel, uidMappings, gidMappings) : openForReading(user));
}

function mountUnder({ files }: Kernel, { root }: Spec): string {
  return mountPointOf(files.readText("/proc/self/mountinfo"), root.path);
}
