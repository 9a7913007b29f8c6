import { SIGKILL } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import { describeOp } from "../kernel/init/describe-op.ts";
import { ReportReader } from "../kernel/init/report.ts";
import type { Fd, KeptFds, Kernel, LaunchedProcess } from "../kernel/kernel.ts";
import type { CompiledPlan, LaunchPlan } from "./plan/plan-builder.ts";
import type { ProcessLabel } from "./process/process-label.ts";

/** Descriptors for one launch. The agent and init keep `own`; the agent closes `child` once the child has copies. */
export interface LaunchFds {
  /** Includes the report only if there is a release: StartContainer reads it, possibly in a restarted agent. */
  readonly own: KeptFds;
  readonly child: ReadonlyMap<string, Fd>;
  readonly report: Fd;
}

/** Opens a report pipe, for a container a release pipe, and pipes for stdio unless a pty is given. */
export function openLaunchFds(
  kernel: Kernel,
  options: {
    readonly terminal?: { readonly master: Fd; readonly peer: Fd } | undefined;
    readonly release: boolean;
    readonly pipeSize: number;
  },
): LaunchFds {
  const { sys } = kernel;
  const child = new Map<string, Fd>();
  const own: Record<string, Fd> = {};
  const pipe = (role: string, childReads: boolean, size: number): Fd => {
    const ends = sys.pipe(size > 0 ? { sizeBytes: size } : {});
    child.set(role, childReads ? ends.read : ends.write);
    own[role] = childReads ? ends.write : ends.read;
    return own[role];
  };
  if (options.terminal !== undefined) {
    child.set("terminal", options.terminal.peer);
    own["terminal"] = options.terminal.master;
  }
  try {
    const report = pipe("report", false, 0);
    if (options.release) pipe("release", true, 0);
    if (options.terminal === undefined) {
      pipe("stdin", true, options.pipeSize);
      pipe("stdout", false, options.pipeSize);
      pipe("stderr", false, options.pipeSize);
    }
    if (!options.release) delete own["report"];
    return { own, child, report };
  } catch (error) {
    for (const fd of [...child.values(), ...Object.values(own)]) sys.close(fd);
    throw error;
  }
}

/** A launched process, and how long each of the plan's first operations took, µs. */
export interface Launched extends LaunchedProcess {
  readonly stepMicros: readonly number[];
}

let nextLaunchId = 0;
let launches = 0;

/** Returns how many processes this agent has launched. */
export function launchCount(): number {
  return launches;
}

/** Returns a new id under which init can keep something. */
export function newLaunchId(): number {
  return ++nextLaunchId;
}

/** Makes new ids start after those that a restarted agent found in use. */
export function reserveLaunchIds(used: number): void {
  nextLaunchId = Math.max(nextLaunchId, used);
}

/**
 * Has init fork a child that runs the plan, and waits for its first report: "ready" of a container, execve of an
 * exec. Takes ownership of `fds`: on failure, or if `signal` aborts before the report, every descriptor is closed and
 * the process is killed and forgotten. `slots` are borrowed.
 *
 * With `atPause` the plan has one more `wait`: `atPause` runs while the child waits there, and then the child is
 * released.
 */
export async function launch(
  kernel: Kernel,
  plan: LaunchPlan,
  fds: LaunchFds,
  slots: ReadonlyMap<string, Fd>,
  label: ProcessLabel,
  signal?: AbortSignal,
  atPause?: (launched: LaunchedProcess) => Promise<void>,
): Promise<Launched> {
  const { sys, init } = kernel;
  const fdOf = (name: string) => fds.child.get(name) ?? slots.get(name);
  const slotOf = (name: string) => (plan.slots.includes(name) ? plan.slots.indexOf(name) : undefined);
  const pidSlot = plan.bornOutside === true ? undefined : (slotOf("pid") ?? slotOf("init"));
  let launched: LaunchedProcess | undefined;
  try {
    const missing = plan.slots.find((name) => fdOf(name) === undefined);
    if (missing !== undefined) throw new AgentError("internal", `launch: no descriptor for the slot "${missing}"`);
    const id = newLaunchId();
    launched = await init.launch(
      {
        id,
        plan: plan.steps.map((step) => step.op),
        slots: plan.slots.map((name) => fdOf(name) ?? -1),
        reportSlot: plan.slots.indexOf("report"),
        newPidNamespace: plan.newPidNamespace ?? false,
        pidNamespaceSlot: pidSlot,
        ...(slots.has("cgroup") ? { cgroupSlot: plan.slots.indexOf("cgroup") } : {}),
        keep: fds.own,
        label: JSON.stringify(label),
      },
      signal,
    );
    launches += 1;
    for (const fd of fds.child.values()) sys.close(fd);
    let stepMicros = await firstReport(kernel, plan, fds, signal);
    if (atPause !== undefined) {
      await atPause(launched);
      release(kernel, fds.own.release);
      stepMicros = await firstReport(kernel, plan, fds, signal);
    }
    if (fds.own.report === undefined) sys.close(fds.report);
    return { ...launched, stepMicros };
  } catch (error) {
    if (launched === undefined) for (const fd of fds.child.values()) sys.close(fd);
    else {
      killLaunched(kernel, launched.pidfd);
      sys.close(launched.pidfd);
      init.forget(launched.id);
    }
    for (const fd of new Set([...Object.values(fds.own), fds.report])) sys.close(fd);
    throw error;
  }
}

/** Returns the durations in the next report. Throws a one-line error if it is one of failure. */
async function firstReport(
  kernel: Kernel,
  plan: CompiledPlan,
  fds: LaunchFds,
  signal?: AbortSignal,
): Promise<readonly number[]> {
  const report = await new ReportReader(kernel.sys, fds.report).next(signal);
  if (report.kind === "failed") throw launchError(plan, report);
  if (fds.own.release !== undefined && report.kind === "executed") {
    throw new AgentError("internal", "launch: the process was killed before it was ready");
  }
  return report.kind === "ready" ? (report.micros ?? []) : [];
}

/**
 * Lets a launched child continue from the wait before its execve, and resolves when that has succeeded. `own` are the
 * descriptors it was launched with.
 */
export async function startLaunched(
  kernel: Kernel,
  plan: CompiledPlan,
  own: { readonly report: Fd; readonly release: Fd },
  signal: AbortSignal,
): Promise<void> {
  release(kernel, own.release);
  const report = await new ReportReader(kernel.sys, own.report).next(signal);
  if (report.kind === "failed") throw launchError(plan, report);
}

/** Lets the child continue. If it was killed meanwhile, its report pipe shows that. */
function release({ sys }: Kernel, fd: Fd | undefined): void {
  try {
    if (fd !== undefined) sys.write(fd, Uint8Array.of(1));
  } catch {
    // EPIPE.
  }
}

/** Kills a child that has failed or is no longer wanted; most have already ended. */
export function killLaunched({ sys }: Kernel, pidfd: Fd): void {
  try {
    sys.signal(pidfd, SIGKILL);
  } catch {
    // It has ended.
  }
}

export function launchError(plan: CompiledPlan, report: { index: number; errno: number; text: string }): AgentError {
  const step = plan.steps[report.index];
  if (step === undefined) return new SystemError("launch", report.errno, "", report.text);
  const { call, object } = describeOp(step.op);
  const system = new SystemError(call, report.errno, object, report.text);
  if (step.op.op === "find") {
    const exec = plan.steps.find(({ op }) => op.op === "exec")?.op;
    const name = (exec?.op === "exec" ? exec.args[0] : undefined) ?? "";
    const where = name.includes("/") ? "" : ` in $PATH (${step.op.candidates.join(", ")})`;
    const what = system.code === "ENOENT" ? "executable file not found" : `not executable, ${system.code}`;
    return new AgentError("internal", `exec "${name}": ${what}${where}`, { cause: system });
  }
  return new AgentError("internal", `${system.message}, from ${step.reason}`, {
    cause: system,
  });
}
