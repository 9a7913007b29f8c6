import { SIGKILL } from "../../kernel/constants.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";
import type { Fd, Kernel, LaunchedProcess } from "../../kernel/kernel.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import { openRoot } from "../files-in-root.ts";
import { launch } from "../launch.ts";
import { type CompiledPlan, PlanBuilder } from "../plan/plan-builder.ts";
import type { ProcessLabel } from "../process/process-label.ts";

/** A create by runsc takes some ten seconds under emulation; a hanging runtime must not block a call forever. */
const LIMIT_MS = 120_000;
const ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
const MAX_MESSAGE = 1000;

/** Descriptors for 0, 1 and 2. */
export type Stdio = readonly [stdin: Fd, stdout: Fd, stderr: Fd];

export interface RuntimeCommand {
  /** Program path and arguments. */
  readonly args: readonly string[];
  /** Command as errors name it: `crun create c1`. */
  readonly title: string;
  /** Path of the runtime's log, in JSON lines. */
  readonly log: string;
  readonly label: ProcessLabel;
  /** Owned by the command once it is passed. */
  readonly stdio: Stdio;
  /** Directory of the cgroup to run in; default: init's cgroup. */
  readonly cgroup?: string;
}

/**
 * Runs a command of an OCI runtime as a child of init until it ends. Rejects with the last error in its log if it
 * fails; kills it if `signal` aborts.
 */
export async function runCommand(kernel: Kernel, command: RuntimeCommand, signal?: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(LIMIT_MS);
  try {
    const process = await start(kernel, command, limit);
    try {
      const { code } = await waitUntil(process.exit, signal === undefined ? limit : AbortSignal.any([signal, limit]));
      if (code !== 0) throw failure(command, lastError(kernel.files, command.log) ?? `exit code ${code}`);
    } catch (error) {
      kill(kernel, process);
      throw error;
    } finally {
      kernel.sys.close(process.pidfd);
      kernel.init.forget(process.id);
    }
  } catch (error) {
    if (error !== limit.reason) throw error;
    throw failure(command, `it did not end within ${LIMIT_MS / 1000} s`);
  } finally {
    kernel.files.removeTree(command.log);
  }
}

async function start(kernel: Kernel, command: RuntimeCommand, signal: AbortSignal): Promise<LaunchedProcess> {
  const [stdin, stdout, stderr] = command.stdio;
  const slots = new Map<string, Fd>();
  let report: { readonly read: Fd; readonly write: Fd };
  try {
    if (command.cgroup !== undefined) slots.set("cgroup", openRoot(command.cgroup));
    report = kernel.sys.pipe();
  } catch (error) {
    for (const fd of [...command.stdio, ...slots.values()]) kernel.sys.close(fd);
    throw error;
  }
  try {
    const child = new Map(Object.entries({ report: report.write, stdin, stdout, stderr }));
    const fds = { own: {}, child, report: report.read };
    return await launch(kernel, commandPlan(command), fds, slots, command.label, signal);
  } finally {
    for (const fd of slots.values()) kernel.sys.close(fd);
  }
}

function commandPlan({ args, title, cgroup }: RuntimeCommand): CompiledPlan {
  const plan = new PlanBuilder();
  plan.slot("report");
  if (cgroup !== undefined) plan.slot("cgroup");
  const [stdin, stdout, stderr] = [plan.slot("stdin"), plan.slot("stdout"), plan.slot("stderr")];
  plan.add(
    title,
    { op: "setsid" },
    { op: "stdio", stdin, stdout, stderr },
    { op: "chdir", path: "/" },
    { op: "find", candidates: args.slice(0, 1) },
    { op: "exec", args, env: ENV },
  );
  return plan.finish();
}

/** Message of the last error in one line; runtimes log the decisive error last. */
function lastError(files: Files, log: string): string | undefined {
  if (!files.exists(log)) return undefined;
  const messages = files.readText(log).split("\n").flatMap(errorMessage);
  return messages.at(-1)?.replaceAll(/\s+/g, " ").trim().slice(0, MAX_MESSAGE);
}

function errorMessage(line: string): string[] {
  try {
    const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
    return (level === "error" || level === "fatal") && typeof msg === "string" ? [msg] : [];
  } catch {
    return [];
  }
}

function failure({ title }: RuntimeCommand, why: string): AgentError {
  return new AgentError("internal", `${title}: ${why}`);
}

function kill({ sys }: Kernel, { pidfd }: LaunchedProcess): void {
  try {
    sys.signal(pidfd, SIGKILL);
  } catch {
    // The process has ended.
  }
}
