import { isJsonObject } from "../../../lib/parse-json.ts";
import type { Outcome } from "./outcome.ts";

/** The first field whose values differ; undefined stands for an absent one. */
export interface FieldDifference {
  /** Method and field names, such as "WaitProcess.status" or "ListRoutes.Routes[1].dest". */
  readonly field: string;
  readonly recorded: unknown;
  readonly actual: unknown;
}

/**
 * Compares two results of a call, field by field in the order of the recorded one, without paths for which `skip` is true. A path
 * is a field without the indexes of lists, such as "ListRoutes.Routes[].dest".
 */
export function firstDifference(
  method: string,
  recorded: Outcome,
  actual: Outcome,
  skip: (path: string) => boolean,
): FieldDifference | undefined {
  const [was, is] = [fieldsOf(recorded), fieldsOf(actual)];
  // One failed and the other didn't: their other fields say nothing.
  const names = "error" in recorded || "error" in actual ? ["error"] : [...Object.keys(was), ...Object.keys(is)];
  return compareFields(new Set(names), method, method, was, is, skip);
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(outcome: Outcome): Fields {
  return "message" in outcome ? outcome.message : outcome;
}

function compareFields(
  names: Iterable<string>,
  field: string,
  path: string,
  recorded: Fields,
  actual: Fields,
  skip: (path: string) => boolean,
): FieldDifference | undefined {
  for (const name of names) {
    const found = compare(`${field}.${name}`, `${path}.${name}`, recorded[name], actual[name], skip);
    if (found !== undefined) return found;
  }
  return undefined;
}

function compare(
  field: string,
  path: string,
  recorded: unknown,
  actual: unknown,
  skip: (path: string) => boolean,
): FieldDifference | undefined {
  if (recorded === actual || skip(path)) return undefined;
  if (isJsonObject(recorded) && isJsonObject(actual)) {
    const names = new Set([...Object.keys(recorded), ...Object.keys(actual)]);
    return compareFields(names, field, path, recorded, actual, skip);
  }
  if (!Array.isArray(recorded) || !Array.isArray(actual)) return { field, recorded, actual };
  for (let at = 0; at < Math.max(recorded.length, actual.length); at++) {
    const found = compare(`${field}[${at}]`, `${path}[]`, recorded[at], actual[at], skip);
    if (found !== undefined) return found;
  }
  return undefined;
}
