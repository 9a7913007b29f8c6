import { arch, release } from "node:os";
import { reason } from "../../lib/reason.ts";
import packageJson from "../../package.json" with { type: "json" };
import { connect } from "../client/agent-client.ts";
import { localRoot } from "./busybox-root.ts";
import type { CaseGroup, ConformanceCase } from "./case.ts";
import { displayable } from "./displayable.ts";
import { type KnownFailures, knownFailureOf } from "./known-failures.ts";
import { redacted } from "./redact.ts";
import type { CaseResult, Run, RunEnvironment } from "./results.ts";
import { describe } from "./run-case.ts";
import { runGroup, StoppedAgent, skippedGroup } from "./run-group.ts";
import { isSelected, type Selection, timeLimitMs } from "./selection.ts";
import type { Protocol } from "./session.ts";
import type { Target } from "./target/target.ts";

/** Time limit in milliseconds of a case that is known to fail, perhaps by an answer that never comes. */
const KNOWN_MS = 5000;

export interface SuiteOptions {
  readonly target: Target;
  readonly groups: readonly CaseGroup[];
  readonly selection: Selection;
  readonly knownFailures?: KnownFailures | undefined;
  /** Directory or tar file of a root file system to upload, instead of this machine's busybox. */
  readonly rootfs?: string | undefined;
  /** Path of a root file system that the agent has already. */
  readonly guestRootfs?: string | undefined;
  readonly onResult?: (result: CaseResult) => void;
}

/** Runs the selected cases over each protocol. */
export async function runSuite(options: SuiteOptions): Promise<Run> {
  const { target, groups, selection, guestRootfs } = options;
  const begun = new Date();
  const results: CaseResult[] = [];
  const problems: string[] = [];
  const root = guestRootfs === undefined ? localRoot(options.rootfs) : { missing: "" };
  const add = (result: CaseResult) => {
    const known = knownFailureOf(options.knownFailures, result);
    const shown = bounded(known === undefined ? result : { ...result, knownFailure: known });
    results.push(shown);
    options.onResult?.(shown);
  };
  let agentVersion: string | undefined;
  let isReached = false;
  const watched = watchAgents(target, {
    onOpen: () => (isReached = true),
    onVersion: (version) => (agentVersion ??= version),
  });
  /** Why no agent answers; further groups don't wait for it again. */
  let unreachable: unknown;
  for (const protocol of selection.protocols) {
    for (const group of groups) {
      const wanted = group.cases.filter((one) => isSelected(selection, group, one));
      for (const one of group.cases) if (!wanted.includes(one)) add(disabled(group, one, protocol));
      if (wanted.length === 0) continue;
      const settings = {
        ...{ target: watched, protocol, root, seed: selection.seed, concurrency: selection.concurrency, onResult: add },
        limitMs: (one: ConformanceCase) =>
          Math.min(
            timeLimitMs(selection, one),
            options.knownFailures?.has(one.name) ? KNOWN_MS : Number.POSITIVE_INFINITY,
          ),
        guestRootfs,
      };
      try {
        if (unreachable !== undefined) throw unreachable;
        await runGroup(group, wanted, settings);
      } catch (error) {
        if (unreachable === undefined) problems.push(`group ${group.name} over ${protocol}: ${reason(error)}`);
        if (!isReached || error instanceof StoppedAgent) unreachable = error;
        const done = new Set(results.filter((one) => one.protocol === protocol).map(({ name }) => name));
        const rest = wanted.filter(({ name }) => !done.has(name));
        for (const result of skippedGroup(group, rest, settings, error)) add(result);
      }
    }
  }
  const environment = describeEnvironment(target, selection, agentVersion ?? "", begun);
  return { environment, require: selection.require, results, problems, ms: Date.now() - begun.getTime() };
}

function disabled(group: CaseGroup, one: ConformanceCase, protocol: Protocol): CaseResult {
  return { ...describe(group, one, protocol), state: "disabled", ms: 0, calls: [], droppedCalls: 0 };
}

/** Returns a target that reports that an agent answers, and its version. */
function watchAgents(
  target: Target,
  { onOpen, onVersion }: { readonly onOpen: () => void; readonly onVersion: (version: string) => void },
): Target {
  return {
    ...target,
    async open() {
      const agent = await target.open();
      try {
        await using client = await connect(agent.address);
        onOpen();
        onVersion((await client.health.version({}, { timeoutMs: 5000 })).agent_version);
      } catch {
        // The group's own connection reports what is wrong.
      }
      return agent;
    },
  };
}

/** Bounds and redacts the values that a failure shows. */
function bounded(result: CaseResult): CaseResult {
  const { reason: why, expected, actual } = result;
  return {
    ...result,
    ...(why === undefined ? {} : { reason: redacted("", why) }),
    ...(expected === undefined ? {} : { expected: shown(expected) }),
    ...(actual === undefined ? {} : { actual: shown(actual) }),
  };
}

/** Like `displayable`, but keeps a plain value that is a default, because here it is what differs. */
function shown(value: unknown): unknown {
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) return displayable(value);
  return value === "" || value === 0 || value === false || value === null ? value : displayable(value);
}

function describeEnvironment(target: Target, selection: Selection, agentVersion: string, begun: Date): RunEnvironment {
  return {
    agent: redacted("", target.description),
    surroundings: target.surroundings,
    agentVersion,
    suiteVersion: packageJson.version,
    contract: selection.contract,
    protocols: selection.protocols,
    seed: selection.seed,
    node: process.version,
    kernel: release(),
    architecture: arch(),
    begun: begun.toISOString(),
  };
}
