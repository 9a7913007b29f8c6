import { reason } from "../../lib/reason.ts";
import { CallRecorder } from "./call-recorder.ts";
import type { CaseGroup, ConformanceCase, Prerequisite } from "./case.ts";
import { CaseContext } from "./case-context.ts";
import { seedOf } from "./case-seed.ts";
import { CaseFailure, isUnsupported, SkipCase } from "./outcome.ts";
import type { CaseResult } from "./results.ts";
import type { Session } from "./session.ts";

export interface CaseOptions {
  readonly seed: number;
  /** Time limit in milliseconds. */
  readonly limitMs: number;
}

type Outcome = Pick<CaseResult, "state"> & Partial<Pick<CaseResult, "reason" | "expected" | "actual">>;

/** Runs one case and removes everything that it created. Resolves whatever happens. */
export async function runCase(
  session: Session,
  group: CaseGroup,
  one: ConformanceCase,
  options: CaseOptions,
): Promise<CaseResult> {
  const recorder = new CallRecorder();
  const begun = performance.now();
  const outcome = await outcomeOf(session, group, one, recorder, options);
  return {
    ...describe(group, one, session.protocol),
    ...outcome,
    ms: performance.now() - begun,
    calls: recorder.calls,
    droppedCalls: recorder.dropped,
  };
}

/** Returns the part of a result that is known before a case runs. */
export function describe({ name: group }: CaseGroup, one: ConformanceCase, protocol: CaseResult["protocol"]) {
  const { name, level, source } = one;
  return { name, group, level, source, protocol };
}

async function outcomeOf(
  session: Session,
  group: CaseGroup,
  one: ConformanceCase,
  recorder: CallRecorder,
  { seed, limitMs }: CaseOptions,
): Promise<Outcome> {
  const own: readonly Prerequisite[] = one.mayBlockAgent === true ? ["own-agent"] : [];
  for (const needed of [...own, ...(group.needs ?? []), ...(one.needs ?? [])]) {
    const missing = await session.missing(needed);
    if (missing !== undefined) return { state: "skipped", reason: missing };
  }
  const limit = new AbortController();
  let outcome: Outcome;
  let context: CaseContext | undefined;
  try {
    context = await CaseContext.open({ session, recorder, seed: seedOf(seed, one.name), signal: limit.signal });
    await withLimit(one.run(context), limitMs, recorder);
    outcome = { state: "passed" };
  } catch (error) {
    outcome = outcomeFor(error);
  } finally {
    limit.abort(new Error("the case has ended"));
    await context?.[Symbol.asyncDispose]();
  }
  if (one.endsAgent === true || one.mayBlockAgent === true) return outcome;
  const left = await cleanUp(session, recorder);
  if (left !== undefined && outcome.state === "passed") return { state: "failed", reason: left };
  return outcome;
}

function outcomeFor(error: unknown): Outcome {
  if (error instanceof SkipCase) return { state: "skipped", reason: reason(error) };
  if (isUnsupported(error)) return { state: "unsupported", reason: reason(error) };
  const { expected, actual } = error instanceof CaseFailure ? error : {};
  return {
    state: "failed",
    reason: reason(error),
    expected,
    actual,
  };
}

async function withLimit(work: Promise<unknown>, ms: number, recorder: CallRecorder): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const open = [...new Set(recorder.open)].join(", ");
      reject(new CaseFailure(`not done within ${ms / 1000} s${open === "" ? "" : `; open calls: ${open}`}`));
    }, ms);
  });
  work.catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Removes the containers that the case left. Returns the reason if one stays. */
async function cleanUp(session: Session, recorder: CallRecorder): Promise<string | undefined> {
  const reasons = await Promise.all(recorder.containers.map((id) => session.remove(id)));
  return reasons.find((one) => one !== undefined);
}
