import { delimiter, dirname, join } from "node:path";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { startOtherPlace } from "./other-place.ts";
import { type Outcome, runProgram } from "./run-program.ts";

export interface SuiteOptions {
  readonly programs: readonly string[];
  /** "guestd", or another runtime with runc's commands, found in PATH. */
  readonly runtime: string;
  /** Number of programs to run at once; default 3, because they mostly sleep. */
  readonly atOnce?: number;
  readonly onOutcome?: (outcome: Outcome) => void;
}

/**
 * Program in which the container's process and the hook, two shells, write to one file. On a busy machine the hook may
 * write first. test/scenarios/hooks.ts checks the order.
 */
const RACE = "poststart";
const RACE_TRIES = 5;

/**
 * Runs the programs in separate namespaces, for guestd in those of an init with an agent. Returns the outcomes sorted
 * by name.
 */
export async function runSuite(options: SuiteOptions): Promise<Outcome[]> {
  const outcomes = await (options.runtime === "guestd" ? withGuestd(options) : withOther(options));
  return outcomes.sort((a, b) => (a.program < b.program ? -1 : 1));
}

async function withGuestd(options: SuiteOptions): Promise<Outcome[]> {
  await using machine = await startHostAgent();
  await using client = await machine.connect();
  await client.agent.createSandbox({ sandbox_id: "validation" });
  return await runAll(options, await machine.initPid(), {
    RUNTIME: join(import.meta.dirname, "guestd-runtime.ts"),
    GUESTD_RUNTIME_AGENT: machine.address,
    GUESTD_RUNTIME_ROOT: "/run/guestd-runtime",
  });
}

async function withOther(options: SuiteOptions): Promise<Outcome[]> {
  await using place = await startOtherPlace();
  return await runAll(options, place.pid, { RUNTIME: options.runtime });
}

async function runAll(options: SuiteOptions, pid: number, runtime: Record<string, string>): Promise<Outcome[]> {
  const path = [dirname(process.execPath), "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(delimiter);
  const outcomes: Outcome[] = [];
  const run = (program: string) => runProgram(program, pid, { PATH: path, TMPDIR: "/tmp", ...runtime });
  const work = async (queue: string[]) => {
    for (let program = queue.shift(); program !== undefined; program = queue.shift()) {
      let outcome = await run(program);
      for (let tries = 1; program === RACE && outcome.failed.length > 0 && tries < RACE_TRIES; tries++) {
        outcome = await run(program);
      }
      outcomes.push(outcome);
      options.onOutcome?.(outcome);
    }
  };
  // Programs that share a fixed cgroup can't run at the same time.
  const alone = options.programs.filter(usesFixedCgroup);
  // The containers of a pod share a host name, and each program sets its own.
  const isLast = (program: string) => program === "hostname" || program === RACE;
  const last = options.programs.filter(isLast);
  const rest = options.programs.filter((program) => !usesFixedCgroup(program) && !isLast(program));
  const workers = Array.from({ length: (options.atOnce ?? 3) - 1 }, () => work(rest));
  await Promise.all([...workers, work(alone).then(() => work(rest))]);
  await work(last);
  return outcomes;
}

function usesFixedCgroup(program: string): boolean {
  return /^linux_cgroups_|^delete_/.test(program);
}
