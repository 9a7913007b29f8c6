import { channel } from "node:diagnostics_channel";
import { constants, openSync } from "node:fs";
import { MAX_TIMER_MS } from "../../../lib/max-timer.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { ExitStatus, Fd, Kernel } from "../../kernel/kernel.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import { openRoot } from "../files-in-root.ts";
import { killLaunched, launch, startLaunched } from "../launch.ts";
import type { LaunchPlan } from "../plan/plan-builder.ts";
import { execContext } from "../process/exec-context.ts";
import { compileHook } from "./compile-hook.ts";
import { FirstLine } from "./first-line.ts";
import { type HookedContainer, hookState } from "./hook-state.ts";
import { CREATE_HOOKS, type HookKind, type HookSpec } from "./hooks.ts";

/** Command in the label of a hook's process. */
export const HOOK_COMMAND = "hook";

/** Failure of a hook that is only reported. */
export interface HookFailure {
  readonly container: string;
  readonly error: string;
}
export const hookFailures = channel("guestd.hook.failed");

/** A container with what hooks inside of it need. The caller keeps the descriptor. */
export interface HookTarget extends HookedContainer {
  readonly cgroup: string;
  readonly pidfd?: Fd;
  /** Aborts when the container ends, which kills its running hooks. */
  readonly ended?: AbortSignal;
}

/**
 * Runs the hooks of prestart, createRuntime and createContainer one after the other. Rejects with the first failure.
 */
export async function runCreateHooks(kernel: Kernel, target: HookTarget, signal?: AbortSignal): Promise<void> {
  for (const kind of CREATE_HOOKS) await runHooks(kernel, kind, target, signal);
}

/** Runs the hooks of one kind one after the other. Rejects with the first failure. */
export async function runHooks(
  kernel: Kernel,
  kind: HookKind,
  target: HookTarget,
  signal?: AbortSignal,
): Promise<void> {
  for (const [index, hook] of (target.spec.hooks?.[kind] ?? []).entries()) {
    await runHook(kernel, kind, index, hook, target, signal);
  }
}

/** Runs all hooks of one kind, even if some fail; failures are only reported. */
export async function runHooksIgnoringFailures(
  kernel: Kernel,
  kind: "poststart" | "poststop",
  target: HookTarget,
  signal?: AbortSignal,
): Promise<void> {
  for (const [index, hook] of (target.spec.hooks?.[kind] ?? []).entries()) {
    try {
      await runHook(kernel, kind, index, hook, target, signal);
    } catch (error) {
      hookFailures.publish({ container: target.id, error: (error as Error).message } satisfies HookFailure);
    }
  }
}

async function runHook(
  kernel: Kernel,
  kind: HookKind,
  index: number,
  hook: HookSpec,
  target: HookTarget,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { timeout: seconds } = hook;
  const limit = AbortSignal.timeout(Math.min(seconds * 1000, MAX_TIMER_MS));
  const { ended } = target;
  const cancelled = AbortSignal.any([limit, signal, ended].filter((it) => it !== undefined));
  const plan = compileHook(kind, index, hook, target, () => execContext(kernel.files, target.spec));
  const run: HookRun = { kernel, plan, target, state: hookState(kernel.files, kind, target) };
  const said = { line: "" };
  let why: string | undefined;
  try {
    why = failure(await execute(run, said, cancelled));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (ended?.aborted) why = "killed because its container has ended";
    else why = error === limit.reason ? `timed out after ${seconds} s, killed` : startFailure(error as Error);
  }
  if (why === undefined) return;
  const line = said.line === "" ? "" : `: ${said.line}`;
  throw new AgentError("internal", `hook ${kind}[${index}] ${hook.path}: ${why}${line}`);
}

interface HookRun {
  readonly kernel: Kernel;
  readonly plan: LaunchPlan;
  readonly target: HookTarget;
  /** JSON that it reads on stdin. */
  readonly state: string;
}

/**
 * Runs a hook from launch to end; `said.line` is then the first line of its stderr. Kills its process group if
 * `signal` aborts.
 */
async function execute(run: HookRun, said: { line: string }, signal: AbortSignal): Promise<ExitStatus> {
  const { kernel, plan, target } = run;
  const { sys, init } = kernel;
  using held = new DisposableStack();
  // The child's descriptors, until the launch owns them.
  using given = new DisposableStack();
  const give = (fd: Fd) => given.adopt(fd, sys.close);
  const stdin = give(sys.memoryFile("hook-state", Buffer.from(run.state)));
  const stdout = give(openSync("/dev/null", constants.O_WRONLY));
  const errors = sys.pipe();
  give(errors.write);
  const stderr = new FirstLine(sys, errors.read);
  held.defer(() => {
    said.line = stderr.close();
  });
  const [report, release] = [sys.pipe(), sys.pipe()];
  for (const fd of [report.read, report.write, release.read, release.write]) give(fd);
  const [child, own] = [
    new Map(Object.entries({ stdin, stdout, stderr: errors.write, report: report.write, release: release.read })),
    { report: report.read, release: release.write },
  ];
  const slots = new Map<string, Fd>();
  if (plan.slots.includes("cgroup")) slots.set("cgroup", held.adopt(openRoot(target.cgroup), sys.close));
  if (target.pidfd !== undefined) slots.set("init", target.pidfd);
  given.move();
  const label = { container: target.id, exec: target.id, command: HOOK_COMMAND };
  const launched = await launch(kernel, plan, { own, child, report: report.read }, slots, label, signal);
  held.defer(() => init.forget(launched.id));
  for (const fd of [launched.pidfd, report.read, release.write]) held.adopt(fd, sys.close);
  try {
    await startLaunched(kernel, plan, own, signal);
    return await waitUntil(launched.exit, signal);
  } catch (error) {
    if (signal.aborted) sys.killGroup(launched.pid);
    else killLaunched(kernel, launched.pidfd);
    throw error;
  }
}

function failure({ code, signal }: ExitStatus): string | undefined {
  if (signal !== 0) return `killed by signal ${signal}`;
  return code === 0 ? undefined : `exit status ${code}`;
}

/** Returns the reason without the path, which is in the message already. */
function startFailure(error: Error): string {
  const { cause } = error;
  if (!(cause instanceof SystemError) || cause.call !== "find") return error.message;
  return cause.code === "ENOENT" ? "executable file not found" : `not executable, ${cause.code}`;
}
