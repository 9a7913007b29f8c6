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

/**
 * Runs the cases of one group against one agent, and reports each result. An agent that stops answering fails the case
 * after which that was found, and skips the rest. Rejects if the agent can't be started or reached.
 */
export async function runGroup(
  group: CaseGroup,
  cases: readonly ConformanceCase[],
  options: GroupOptions,
): Promise<void> {
  const waiting = [...cases];
  while (waiting.length > 0) {
    await using session = await Session.open(await options.target.open(), options);
    const run = new GroupRun(group, session, options);
    const workers = group.parallel === true ? options.concurrency : 1;
    await Promise.all(Array.from({ length: workers }, () => run.work(waiting)));
  }
}

/** Cases of a group that run against one agent. */
class GroupRun {
  readonly #group: CaseGroup;
  readonly #session: Session;
  readonly #options: GroupOptions;
  /** Why the agent answers no more. */
  #dead: string | undefined;

  constructor(group: CaseGroup, session: Session, options: GroupOptions) {
    this.#group = group;
    this.#session = session;
    this.#options = options;
  }

  /** Takes cases from the list until it is empty or one of them has ended the agent. */
  async work(waiting: ConformanceCase[]): Promise<void> {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const result = await this.#run(one);
      this.#options.onResult(result);
      if (one.endsAgent === true && result.state !== "skipped") return;
    }
  }

  async #run(one: ConformanceCase): Promise<CaseResult> {
    const { seed, limitMs } = this.#options;
    if (this.#dead !== undefined) {
      return skipped(this.#group, one, this.#options, `the agent stopped answering ${this.#dead}`);
    }
    const result = await runCase(this.#session, this.#group, one, { seed, limitMs: limitMs(one) });
    const isDone = result.state === "skipped" || one.endsAgent === true || this.#dead !== undefined;
    if (isDone || (await this.#session.isAlive())) return result;
    this.#dead = `after "${one.name}"`;
    return withDeath(result, this.#session.agent.output?.());
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

function withDeath(result: CaseResult, output: string | undefined): CaseResult {
  const last = output?.trimEnd().split("\n").at(-1);
  const printed = last === undefined || last === "" ? "" : `; it printed ${JSON.stringify(last.slice(0, 300))}`;
  const first = result.reason === undefined ? "" : `${result.reason}; `;
  return { ...result, state: "failed", reason: `${first}afterwards the agent answers no health check${printed}` };
}
