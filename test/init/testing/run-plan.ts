import type { LaunchReport, PlanOp } from "../../../agent/kernel/init/plan.ts";
import { ReportReader } from "../../../agent/kernel/init/report.ts";
import type { ExitStatus, Fd, Init, KeptFds, LaunchedProcess, LaunchRequest } from "../../../agent/kernel/kernel.ts";
import { sys } from "./relayed-init.ts";

/** Slots of every launch; extra slots follow. */
const STDIN = 0;
const OUTPUT = 1;
const REPORT = 2;
export const EXTRA = 3;

export const stdio: PlanOp = { op: "stdio", stdin: STDIN, stdout: OUTPUT, stderr: OUTPUT };

/** Returns the operations that find and execute a program by its path. */
export function execute(args: readonly string[], env: readonly string[] = ["PATH=/bin"]): PlanOp[] {
  return [
    { op: "find", candidates: args.slice(0, 1) },
    { op: "exec", args, env },
  ];
}

export const shell = (script: string): PlanOp[] => execute(["/bin/sh", "-c", script]);

export interface Launched extends AsyncDisposable {
  readonly process: LaunchedProcess;
  readonly stdin: Fd;
  readonly output: Fd;
  readonly report: ReportReader;
  /** Resolves with the rest of the output at its end. */
  text(): Promise<string>;
}

type LaunchFds = { readonly stdin: Fd; readonly output: Fd; readonly report: Fd };

/** Makes init keep all three pipes of a process. */
export const keepAll = ({ stdin, output, report }: LaunchFds): KeptFds => ({ stdin, stdout: output, report });

let lastId = 0;

/**
 * Launches a plan with pipes in the slots. Disposing of the result closes our descriptors and makes init forget the
 * process.
 */
export async function launch(
  agent: Init,
  plan: readonly PlanOp[],
  options: Partial<LaunchRequest> & {
    extra?: readonly Fd[];
    signal?: AbortSignal;
    keepOf?: (fds: LaunchFds) => KeptFds;
  } = {},
): Promise<Launched> {
  const { extra = [], keepOf, signal, ...request } = options;
  const [input, output, report] = [sys.pipe(), sys.pipe(), sys.pipe()];
  const id = ++lastId;
  const close = () => {
    for (const fd of [input.write, output.read, report.read]) sys.close(fd);
  };
  try {
    const process = await agent.launch(
      {
        id,
        plan,
        slots: [input.read, output.write, report.write, ...extra],
        reportSlot: REPORT,
        newPidNamespace: false,
        keep: keepOf?.({ stdin: input.write, output: output.read, report: report.read }) ?? {},
        label: "",
        ...request,
      },
      signal,
    );
    return {
      process,
      stdin: input.write,
      output: output.read,
      report: new ReportReader(sys, report.read),
      text: () => readAll(output.read),
      async [Symbol.asyncDispose]() {
        agent.forget(id);
        sys.close(process.pidfd);
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  } finally {
    for (const fd of [input.read, output.write, report.write]) sys.close(fd);
  }
}

export async function readAll(fd: Fd): Promise<string> {
  const parts: Buffer[] = [];
  for (;;) {
    await sys.poll(fd, "read", AbortSignal.timeout(50_000));
    const part = Buffer.alloc(65536);
    const got = sys.read(fd, part);
    if (got === 0) return Buffer.concat(parts).toString();
    if (got > 0) parts.push(part.subarray(0, got));
  }
}

export interface Finished {
  readonly output: string;
  readonly report: LaunchReport | { readonly kind: "executed" };
  readonly exit: ExitStatus;
}

/** Launches a plan and waits for the process's end. Returns its output, first report and exit. */
export async function run(
  agent: Init,
  plan: readonly PlanOp[],
  options: Parameters<typeof launch>[2] = {},
): Promise<Finished> {
  await using launched = await launch(agent, plan, options);
  const report = await launched.report.next(AbortSignal.timeout(50_000));
  const output = await launched.text();
  return { output, report, exit: await launched.process.exit };
}

/** Returns the failed operation and its errno as text for `expect`: "chdir: errno 2". */
export function failure(plan: readonly PlanOp[], finished: Finished): string {
  const { report } = finished;
  if (report.kind !== "failed") return `${report.kind}, then exit code ${finished.exit.code}: ${finished.output}`;
  return `${plan[report.index]?.op}: errno ${report.errno}${report.text === "" ? "" : ` (${report.text})`}`;
}
