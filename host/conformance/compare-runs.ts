import { type FieldDifference, firstDifference } from "../conversation/replay/first-difference.ts";
import { notCompared } from "../conversation/replay/not-compared.ts";
import type { RecordedCall } from "./call-recorder.ts";
import type { CaseResult, Run, RunEnvironment, State } from "./results.ts";

/** A case over one protocol, with its reason in the list of known failures. */
export type ComparedCase = Pick<CaseResult, "name" | "group" | "level" | "protocol" | "knownFailure">;

/** A case with different results at two agents. */
export interface CaseDifference extends ComparedCase {
  readonly states: readonly [State, State];
  /** First field that differs: "state", or one of a response, such as "WaitProcess.status". */
  readonly field: string;
  /** The field's values; undefined stands for an absent one. */
  readonly values: readonly [unknown, unknown];
}

export interface Comparison {
  readonly agents: readonly [RunEnvironment, RunEnvironment];
  /** Number of compared cases. */
  readonly cases: number;
  readonly differences: readonly CaseDifference[];
  /** Known failures that pass at both agents without a difference. */
  readonly outdated: readonly ComparedCase[];
  /** Failures outside of cases, with the letter of the agent. */
  readonly problems: readonly string[];
}

/** Names that a case invents, which differ in each run; the last number of a long one is the name's place in its case. */
const INVENTED = /\bconf-[a-z0-9]+(?:-\d+){2}(?:-\d+(-\d+))?(?:-\d+)*/g;
/** Addresses that the kernel chooses, and a text with times. */
const CHOSEN = ["ListInterfaces.Interfaces[].hwAddr", "GetIPTables.data"];
/** Output arrives in pieces of any length. */
const READS = /\/Read(Stdout|Stderr)$/;

/** Compares two runs of the same cases: states first, then the responses in their order. Leaves out disabled cases. */
export function compareRuns(one: Run, other: Run): Comparison {
  const skip = notCompared(CHOSEN);
  const key = ({ name, protocol }: CaseResult) => `${protocol} ${name}`;
  const others = new Map(other.results.map((result) => [key(result), result]));
  const pairs = one.results.flatMap((result) => {
    const second = others.get(key(result));
    return second === undefined || result.state === "disabled" ? [] : [[result, second] as const];
  });
  const compared = pairs.map(([a, b]) => ({ a, b, found: differenceOf(a, b, skip) }));
  return {
    agents: [one.environment, other.environment],
    cases: pairs.length,
    differences: compared.flatMap(({ a, b, found }) => {
      if (found === undefined) return [];
      const { field, recorded, actual } = found;
      return [
        {
          ...comparedCase({ ...b, ...a }),
          states: [a.state, b.state] as const,
          field,
          values: [recorded, actual] as const,
        },
      ];
    }),
    outdated: compared.flatMap(({ a, found }) =>
      found === undefined && a.state === "passed" && a.knownFailure !== undefined ? [comparedCase(a)] : [],
    ),
    problems: [...one.problems.map((text) => `A: ${text}`), ...other.problems.map((text) => `B: ${text}`)],
  };
}

/** True if every difference is a known one, and nothing else is wrong. */
export function isAsExpected({ differences, outdated, problems }: Comparison): boolean {
  const isKnown = differences.every(({ knownFailure }) => knownFailure !== undefined);
  return isKnown && outdated.length === 0 && problems.length === 0;
}

function comparedCase({ name, group, level, protocol, knownFailure }: CaseResult): ComparedCase {
  return { name, group, level, protocol, knownFailure };
}

function differenceOf(a: CaseResult, b: CaseResult, skip: (path: string) => boolean): FieldDifference | undefined {
  if (a.state !== b.state) return { field: "state", recorded: stateOf(a), actual: stateOf(b) };
  const [ours, theirs] = [callsByName(a), callsByName(b)];
  for (const [call, list] of ours) {
    const others = theirs.get(call) ?? [];
    // A case that polls makes some calls until their answer is the expected one.
    if (READS.test(call) || others.length !== list.length) continue;
    const method = call.replace(/^.*\//, "");
    const isWhole = a.droppedCalls === 0 && b.droppedCalls === 0;
    for (const [one, second] of pairsOf(list, others, isWhole)) {
      // The text is the agent's or the suite's, whichever ended the call first.
      if (hasExpired(one) && hasExpired(second)) continue;
      const found = firstDifference(method, { message: answerOf(one) }, { message: answerOf(second) }, skip);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function stateOf({ state, reason }: CaseResult): string {
  return reason === undefined ? state : `${state}: ${reason}`;
}

function callsByName({ calls }: CaseResult): Map<string, RecordedCall[]> {
  return Map.groupBy(calls, ({ call }) => call);
}

/**
 * Pairs the calls of a method by their requests, because a case may make calls at the same time; by their order if the
 * requests differ. If the records aren't whole, because a case made more calls than are kept, calls without a partner are left out.
 */
function pairsOf(ours: readonly RecordedCall[], theirs: readonly RecordedCall[], isWhole: boolean) {
  const byRequest = Map.groupBy(theirs, requestOf);
  const partners = ours.map((call) => byRequest.get(requestOf(call))?.shift());
  const isComplete = partners.every((partner) => partner !== undefined);
  const pairs = ours.map((call, at) => [call, isComplete || !isWhole ? partners[at] : theirs[at]] as const);
  return isWhole ? pairs : pairs.filter(([, partner]) => partner !== undefined);
}

function hasExpired(call: RecordedCall | undefined): boolean {
  return call?.error?.code === "deadline-exceeded";
}

/** Returns a request as text, in which an invented name keeps its place in the case. */
function requestOf({ request }: RecordedCall): string {
  return JSON.stringify(request).replace(INVENTED, "conf-ID$1");
}

/** Returns the error and the fields of the response, without invented names. */
function answerOf(call: RecordedCall | undefined): Readonly<Record<string, unknown>> {
  const fields = { error: call?.error ?? null, ...(call?.response as object | undefined) };
  return JSON.parse(JSON.stringify(fields).replace(INVENTED, "conf-ID")) as Record<string, unknown>;
}
