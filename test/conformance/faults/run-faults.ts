import { join } from "node:path";
import type { Fault } from "./fault.ts";
import { startFaultProxy } from "./fault-proxy.ts";

/** Outcome of one case of a suite. */
export interface CaseState {
  readonly name: string;
  /** "passed", "failed", "skipped", "unsupported" or "disabled". */
  readonly state: string;
}

/** Runs a suite's cases at an address; those whose names match `names` suffice. */
export type RunSuite = (address: string, names: RegExp) => Promise<readonly CaseState[]>;

/** A correct agent, in a folder where sockets can be created. */
export interface CorrectAgent extends AsyncDisposable {
  readonly address: string;
  readonly directory: string;
}

export interface FaultResult {
  readonly fault: string;
  /** Cases that pass at the correct agent and fail with the fault. */
  readonly failed: readonly string[];
  /** Its own cases that pass at the correct agent. Without any, the fault can't be caught here. */
  readonly cases: number;
  /** True if one of its own cases is among the failed ones. */
  readonly caught: boolean;
  /** Times that the fault changed something. */
  readonly changes: number;
}

/** Runs a suite at a correct agent, then at agents with one fault each. A fresh agent serves each fault. */
export async function* runFaults(
  faults: readonly Fault[],
  startAgent: () => Promise<CorrectAgent>,
  runSuite: RunSuite,
): AsyncGenerator<FaultResult> {
  const passing = new Map<string, readonly string[]>();
  for (const fault of faults) {
    const key = fault.caughtBy.source;
    const names = passing.get(key) ?? (await passingCases(fault.caughtBy, startAgent, runSuite));
    passing.set(key, names);
    yield await runFault(fault, names, startAgent, runSuite);
  }
}

async function passingCases(
  names: RegExp,
  startAgent: () => Promise<CorrectAgent>,
  runSuite: RunSuite,
): Promise<string[]> {
  await using agent = await startAgent();
  const states = await runSuite(agent.address, names);
  return states.filter(({ state }) => state === "passed").map(({ name }) => name);
}

async function runFault(
  fault: Fault,
  passing: readonly string[],
  startAgent: () => Promise<CorrectAgent>,
  runSuite: RunSuite,
): Promise<FaultResult> {
  const { name, caughtBy } = fault;
  const own = passing.filter((one) => caughtBy.test(one));
  await using agent = await startAgent();
  await using proxy = await startFaultProxy(`unix://${join(agent.directory, "fault.sock")}`, agent.address, fault);
  const states = await runSuite(proxy.address, caughtBy);
  const failing = new Set(states.filter(({ state }) => FAILED.has(state)).map((one) => one.name));
  const failed = passing.filter((one) => failing.has(one));
  return {
    fault: name,
    failed,
    cases: own.length,
    caught: own.some((one) => failing.has(one)),
    changes: proxy.changes,
  };
}

const FAILED: ReadonlySet<string> = new Set(["failed", "unsupported"]);

/** Formats results as a table of Markdown. */
export function faultTable(results: readonly FaultResult[]): string {
  const rows = results.map(({ fault, failed, cases, caught }) => {
    const by = caught ? (failed[0] ?? "") : cases === 0 ? "no case runs here" : "**not caught**";
    return `| ${cell(fault)} | ${cell(by)} |`;
  });
  return ["| fault | first case that fails |", "|---|---|", ...rows, ""].join("\n");
}

const cell = (text: string) => text.replaceAll("|", "\\|");
