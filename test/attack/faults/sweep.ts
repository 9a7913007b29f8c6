import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Step } from "./conversation.ts";
import type { Fault } from "./fault-control.ts";
import type { FaultyMachine } from "./faulty-machine.ts";

/** Longest that a step takes, unless something that was hit is waited for in vain. */
const STEP_MS = 10_000;
const SETTLE_MS = 2500;
/** Lines of the agent's log that no outside error may cause. */
const DEFECT = /[^\n]*(unhandled rejection|uncaught|the agent ends|the agent ended)[^\n]*/gi;

export interface SweepOptions {
  /** Number of errnos to try for each call. */
  readonly variants: number;
  /** Fails only every n-th call, from the first on. Default: 1, which is all. */
  readonly every?: number;
}

export interface SweepResult {
  /** Calls that failed, counted by name. */
  readonly hit: ReadonlyMap<string, number>;
  /** Problems found, one line each. */
  readonly problems: readonly string[];
}

/**
 * Repeats a step with its first system call failing, then its second, and so on until it makes no more calls. After
 * each, the same step must succeed, and everything else must be as before.
 */
export async function sweep(
  faulty: FaultyMachine,
  step: Step,
  { variants, every = 1 }: SweepOptions,
): Promise<SweepResult> {
  const hit = new Map<string, number>();
  const problems: string[] = [];
  await succeed(faulty, step);
  await succeed(faulty, step);
  let before = await faulty.traces();
  let missed = false;
  for (let first = 1; ; first += every) {
    for (let variant = 0; variant < variants; variant++) {
      const { name, errno, hits, problem } = await strike(faulty, step, { first, variant }, before);
      if (name === "") {
        // A run may end before the call for another reason; only a second one shows that there are no more calls.
        if (missed) return { hit, problems };
        missed = true;
        first -= every;
        break;
      }
      missed = false;
      if (hits === 0) break;
      hit.set(name, (hit.get(name) ?? 0) + 1);
      if (problem === undefined) continue;
      before = await faulty.traces();
      problems.push(`${step.name}: call ${first}, ${name}: ${nameOf(errno)}: ${problem}`);
      if (problems.length > 40) return { hit, problems };
    }
  }
}

type Traces = Awaited<ReturnType<FaultyMachine["traces"]>>;

async function strike(faulty: FaultyMachine, step: Step, fault: Fault, before: Traces) {
  const { console } = faulty.machine;
  await settled(faulty, before);
  const consoleLength = console().length;
  faulty.control.arm(fault);
  const error = await outcome(step, faulty);
  await cleanedUp(faulty, before);
  const hit = faulty.control.disarm();
  if (hit.hits === 0) {
    await step.undo?.(faulty);
    return { ...hit, problem: undefined };
  }
  const problem =
    (await judge(error)) ??
    (await undone(faulty, step)) ??
    (await settled(faulty, before, step.settleMs)) ??
    console().slice(consoleLength).match(DEFECT)?.[0] ??
    (await succeed(faulty, step).then(
      () => undefined,
      (again: Error) => `the next run fails too: ${again.message}`,
    ));
  return { ...hit, problem };
}

async function outcome(step: Step, faulty: FaultyMachine): Promise<Error | undefined> {
  const late = new AbortController();
  const limit = sleep(STEP_MS, new Error("hangs"), { signal: late.signal }).catch(() => undefined);
  const run = step.run(faulty).then(
    () => undefined,
    (error: Error) => error,
  );
  const error = await Promise.race([run, limit]);
  late.abort();
  return error;
}

/** Resolves once the agent has made the calls with which it cleans up, or one of them failed. */
async function cleanedUp(faulty: FaultyMachine, before: Traces): Promise<void> {
  for (let waited = 0; waited < SETTLE_MS; waited += 2) {
    if (faulty.control.hits > 0 || difference(before, await faulty.traces()) === undefined) return;
    await sleep(2);
  }
}

/** Returns a problem unless the error is one line of a failed call, or a closed connection. */
async function judge(error: Error | undefined): Promise<string | undefined> {
  if (error === undefined) return undefined;
  const { name, message } = error;
  if (name !== "RpcError" && !/ECONNRESET|EPIPE|socket hang up|closed/.test(message)) return message;
  return message.includes("\n") ? `not one line: ${message}` : undefined;
}

async function undone(faulty: FaultyMachine, step: Step): Promise<string | undefined> {
  try {
    await step.undo?.(faulty);
    const { status } = await faulty.pod.client.health.check({});
    return status === 1 ? undefined : `the bystander gets status ${status}`;
  } catch (error) {
    return `a bystander was hit: ${(error as Error).message}`;
  }
}

/** Resolves to undefined once everything is as before; otherwise, after a moment, to the differences. */
async function settled(faulty: FaultyMachine, before: Traces, limitMs = SETTLE_MS): Promise<string | undefined> {
  let different: string | undefined;
  for (let waited = 0, pause = 2; waited < limitMs; waited += pause, pause = Math.min(pause * 2, 100)) {
    different = difference(before, await faulty.traces());
    if (different === undefined) return undefined;
    await sleep(pause);
  }
  return different;
}

/** Returns the differences: a higher count is a leak, another agent or other containers are a loss. */
function difference(before: Traces, now: Traces): string | undefined {
  const keys = Object.keys(before) as (keyof Traces)[];
  const differ = keys.filter((key) => {
    if (key === "agent" || key === "records") return before[key] !== now[key];
    return now[key] > before[key];
  });
  return differ.length === 0 ? undefined : differ.map((key) => `${key}: ${before[key]} → ${now[key]}`).join(", ");
}

async function succeed(faulty: FaultyMachine, step: Step): Promise<void> {
  const error = await outcome(step, faulty);
  if (error === undefined) return;
  await step.undo?.(faulty);
  throw error;
}

function nameOf(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? String(errno);
}
