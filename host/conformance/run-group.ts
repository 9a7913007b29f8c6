import { reason } from "../../lib/reason.ts";
import type { CaseGroup, ConformanceCase } from "./case.ts";
import type { CaseResult } from "./results.ts";
import { describe, runCase } from "./run-case.ts";
import { Session, type SessionOptions } from "./session.ts";
import type { Target } from "./target/target.ts";

export interface GroupOptions extends SessionOptions {
  readonly target: Target;
  readonly seed: number;
  /** Returns the time limit of a case in milliseconds. */
  readonly limitMs: (one: ConformanceCase) => number;
  /** Cases at a time in groups whose cases don't disturb each other. */
  readonly concurrency: number;
  readonly onResult: (result: CaseResult) => void;
}

/** Thrown for a running agent that no longer answers: every further group would only time out. */
export class StoppedAgent extends Error {
  override readonly name = "StoppedAgent";
}

/**
 * Runs the cases of one group and reports each result. An agent that stops answering fails the case after which that was found.
 * If the suite has started it, another one takes its place; if not, the rest is skipped. Cases that may block an agent for ever
 * come last, each with an agent of its own. Rejects if the agent can't be started or reached.
 */
export async function runGroup(
  group: CaseGroup,
  cases: readonly ConformanceCase[],
  options: GroupOptions,
): Promise<void> {
  const waiting = cases.filter(({ mayBlockAgent }) => mayBlockAgent !== true);
  const alone = cases.filter(({ mayBlockAgent }) => mayBlockAgent === true);
  while (waiting.length > 0) {
    const workers = group.parallel === true ? options.concurrency : 1;
    alone.push(...(await runTogether(group, waiting, workers, options)));
  }
  await Promise.all(
    Array.from({ length: options.concurrency }, async () => {
      for (let one = alone.shift(); one !== undefined; one = alone.shift()) await runTogether(group, [one], 1, options);
    }),
  );
}

/** Takes cases from the list and runs them against one agent. Returns those of which one has stopped the agent. */
async function runTogether(
  group: CaseGroup,
  waiting: ConformanceCase[],
  workers: number,
  options: GroupOptions,
): Promise<readonly ConformanceCase[]> {
  await using session = await Session.open(await options.target.open(), options);
  if (!session.agent.isOwn && !(await session.isAlive())) {
    throw new StoppedAgent("the running agent answers no health check, or no call about a container");
  }
  const run = new GroupRun(group, session, options);
  await Promise.all(Array.from({ length: workers }, () => run.work(waiting)));
  return run.suspects;
}

/** Cases of a group that run against one agent. */
class GroupRun {
  /** Cases that ran when an agent of the suite's stopped answering, to be run again one by one. */
  readonly suspects: ConformanceCase[] = [];
  readonly #group: CaseGroup;
  readonly #session: Session;
  readonly #options: GroupOptions;
  readonly #running = new Set<ConformanceCase>();
  /** Why the agent answers no more. */
  #dead: string | undefined;

  constructor(group: CaseGroup, session: Session, options: GroupOptions) {
    this.#group = group;
    this.#session = session;
    this.#options = options;
  }

  get #isReplaceable(): boolean {
    return this.#session.agent.isOwn;
  }

  /** Takes cases from the list until it is empty or the agent has to be replaced. */
  async work(waiting: ConformanceCase[]): Promise<void> {
    while (!(this.#dead !== undefined && this.#isReplaceable)) {
      const one = waiting.shift();
      if (one === undefined) return;
      const result = await this.#run(one);
      if (result === undefined) this.suspects.push(one);
      else this.#options.onResult(result);
      if (one.endsAgent === true && result?.state !== "skipped") return;
    }
  }

  /** Returns undefined for a case that has to run again, because the agent has stopped during it and others. */
  async #run(one: ConformanceCase): Promise<CaseResult | undefined> {
    if (this.#dead !== undefined) return this.#afterDeath(one);
    const { seed, limitMs } = this.#options;
    this.#running.add(one);
    const result = await runCase(this.#session, this.#group, one, { seed, limitMs: limitMs(one) });
    const others = [...this.#running].filter((other) => other !== one).map(({ name }) => `"${name}"`);
    this.#running.delete(one);
    if (result.state === "skipped" || one.endsAgent === true) return result;
    if (this.#dead === undefined) {
      if (await this.#session.isAlive()) return result;
      const isFirst = this.#dead === undefined;
      this.#dead ??= `after "${one.name}"`;
      if (isFirst && !(this.#isReplaceable && others.length > 0)) {
        return withDeath(result, others, this.#session.agent.output?.());
      }
    }
    if (this.#isReplaceable) return undefined;
    return result.state === "passed" ? result : this.#afterDeath(one);
  }

  #afterDeath(one: ConformanceCase): CaseResult {
    return skipped(this.#group, one, this.#options, `the agent stopped answering ${this.#dead}`);
  }
}

/** Returns the results of a group whose agent could not be started or reached. */
export function skippedGroup(
  group: CaseGroup,
  cases: readonly ConformanceCase[],
  options: Pick<GroupOptions, "protocol">,
  error: unknown,
): readonly CaseResult[] {
  return cases.map((one) => skipped(group, one, options, `no agent: ${reason(error)}`));
}

function skipped(
  group: CaseGroup,
  one: ConformanceCase,
  { protocol }: Pick<GroupOptions, "protocol">,
  why: string,
): CaseResult {
  return { ...describe(group, one, protocol), state: "skipped", reason: why, ms: 0, calls: [], droppedCalls: 0 };
}

function withDeath(result: CaseResult, others: readonly string[], output: string | undefined): CaseResult {
  const last = output?.trimEnd().split("\n").at(-1);
  const printed = last === undefined || last === "" ? "" : `; it printed ${JSON.stringify(last.slice(0, 300))}`;
  const first = result.reason === undefined ? "" : `${result.reason}; `;
  const beside = others.length === 0 ? "" : `, which may be due to ${others.join(" or ")}`;
  const stopped = `afterwards the agent answers no health check, or no call about a container${beside}${printed}`;
  return { ...result, state: "failed", reason: first + stopped };
}
