import type { CaseGroup } from "../../../host/conformance/case.ts";
import type { CaseResult } from "../../../host/conformance/results.ts";
import { runSuite } from "../../../host/conformance/run-suite.ts";
import { defaultSelection } from "../../../host/conformance/selection.ts";
import type { Target } from "../../../host/conformance/target/target.ts";
import { type Fault, fault } from "./fault.ts";
import { faultyTarget } from "./faulty-target.ts";

/** Time limit of a case in seconds. Many faults are caught by it. */
const TIME_LIMIT = 8;
/** The proxy without a defect. */
const NO_FAULT = fault("no fault", /./, {});

export interface FaultsOptions {
  /** Correct agents. */
  readonly target: Target;
  readonly groups: readonly CaseGroup[];
  /** Faults at a time; each has its own agents. */
  readonly concurrency?: number;
  readonly onResult?: (result: FaultResult) => void;
}

export interface FaultResult {
  readonly fault: string;
  /** Its own cases that fail with the fault and pass without one, in the order of the suite. */
  readonly caughtBy: readonly string[];
  /** Number of its own cases that pass without a fault. If none does, the fault can't be caught here. */
  readonly cases: number;
  /** Times that the fault changed something. */
  readonly changes: number;
}

/** Runs the cases that should catch the faults without a fault, then those of each fault with it. Keeps the order. */
export async function runFaults(faults: readonly Fault[], options: FaultsOptions): Promise<readonly FaultResult[]> {
  const { target, groups, concurrency = 2, onResult } = options;
  const isOwn = (name: string) => faults.some(({ caughtBy }) => caughtBy.test(name));
  const without = await runCases(faultyTarget(target, NO_FAULT), groups, isOwn);
  const passing = new Set(without.filter(({ state }) => state === "passed").map(({ name }) => name));
  const results = new Map<Fault, FaultResult>();
  const waiting = [...faults];
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const result = await runFault(one, passing, target, groups);
      results.set(one, result);
      onResult?.(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return faults.flatMap((one) => results.get(one) ?? []);
}

async function runFault(
  one: Fault,
  passing: ReadonlySet<string>,
  target: Target,
  groups: readonly CaseGroup[],
): Promise<FaultResult> {
  const faulty = faultyTarget(target, one);
  const isOwn = (name: string) => one.caughtBy.test(name) && passing.has(name);
  const results = await runCases(faulty, groups, isOwn);
  const failed = results.filter(({ state }) => state === "failed" || state === "unsupported");
  const failedNames = new Set(failed.map(({ name }) => name));
  const inOrder = groups.flatMap((group) => group.cases.map(({ name }) => name));
  return {
    fault: one.name,
    caughtBy: inOrder.filter((name) => failedNames.has(name)),
    cases: [...passing].filter(isOwn).length,
    changes: faulty.changes,
  };
}

async function runCases(
  target: Target,
  groups: readonly CaseGroup[],
  isWanted: (name: string) => boolean,
): Promise<readonly CaseResult[]> {
  const wanted = groups
    .map((group) => ({ ...group, cases: group.cases.filter(({ name }) => isWanted(name)) }))
    .filter(({ cases }) => cases.length > 0);
  const selection = { ...defaultSelection(), timeLimit: TIME_LIMIT, seed: 1 };
  return (await runSuite({ target, groups: wanted, selection })).results;
}
