import { type FieldDifference, firstDifference } from "../conversation/replay/first-difference.ts";
import { notCompared } from "../conversation/replay/not-compared.ts";
import type { RecordedCall } from "./call-recorder.ts";
import type { CaseResult, Run, State } from "./results.ts";

/** A case with different results at two agents. */
export interface CaseDifference extends Pick<CaseResult, "name" | "group" | "level" | "protocol"> {
  readonly states: readonly [State, State];
  /** First field that differs: "state", or one of a response, such as "WaitProcess.status". */
  readonly field: string;
  /** The field's values; undefined stands for an absent one. */
  readonly values: readonly [unknown, unknown];
}

export interface Comparison {
  readonly agents: readonly [string, string];
  /** Number of compared cases. */
  readonly cases: number;
  readonly differences: readonly CaseDifference[];
}

/** Names that a case invents, which differ in each run. */
const INVENTED = /\bconf-[a-z0-9]+(?:-\d+)+/g;
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
  return {
    agents: [one.environment.agent, other.environment.agent],
    cases: pairs.length,
    differences: pairs.flatMap(([a, b]) => {
      const found = differenceOf(a, b, skip);
      if (found === undefined) return [];
      const { name, group, level, protocol } = a;
      const { field, recorded, actual } = found;
      return [{ name, group, level, protocol, states: [a.state, b.state], field, values: [recorded, actual] }];
    }),
  };
}

function differenceOf(a: CaseResult, b: CaseResult, skip: (path: string) => boolean): FieldDifference | undefined {
  if (a.state !== b.state) return { field: "state", recorded: stateOf(a), actual: stateOf(b) };
  const [ours, theirs] = [callsByName(a), callsByName(b)];
  for (const [call, list] of ours) {
    const others = theirs.get(call) ?? [];
    // A case that polls makes some calls until their answer is the expected one.
    if (READS.test(call) || others.length !== list.length) continue;
    const method = call.replace(/^.*\//, "");
    for (const [at, one] of list.entries()) {
      const found = firstDifference(method, { message: answerOf(one) }, { message: answerOf(others[at]) }, skip);
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

/** Returns the error and the fields of the response, without invented names. */
function answerOf(call: RecordedCall | undefined): Readonly<Record<string, unknown>> {
  const fields = { error: call?.error ?? null, ...(call?.response as object | undefined) };
  return JSON.parse(JSON.stringify(fields).replace(INVENTED, "conf-ID")) as Record<string, unknown>;
}
