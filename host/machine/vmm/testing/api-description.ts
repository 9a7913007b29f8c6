import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import { parse } from "yaml";

interface Description {
  /** By method and path. A status without a schema has "none". */
  readonly operations: Readonly<
    Record<string, { readonly body?: string; readonly answers: Readonly<Record<string, string>> }>
  >;
  readonly schemas: Readonly<Record<string, object>>;
}

/** Checks requests and answers against the description of a VMM's API. Each check returns the problem, or undefined. */
export interface ApiDescription {
  /** `operation` is such as "PUT /snapshot/load"; `body` is undefined for a request without one. */
  request(operation: string, body: unknown): string | undefined;
  answer(operation: string, status: number, body: unknown): string | undefined;
  /** Checks a value against one schema. */
  value(schema: string, value: unknown): string | undefined;
}

/** Reads a description in this folder, such as "firecracker-api.yaml". */
export function readApi(file: string): ApiDescription {
  const { operations, schemas } = parse(readFileSync(join(import.meta.dirname, file), "utf8")) as Description;
  const ajv = new Ajv2020.default({ strict: true, strictRequired: false, allErrors: true });
  ajv.addSchema({ $id: "api", $defs: schemas });

  const value = (schema: string, given: unknown): string | undefined => {
    const validate = ajv.getSchema(`api#/$defs/${schema}`);
    if (validate === undefined) throw new Error(`${file} has no schema ${schema}`);
    return validate(given) ? undefined : `${schema}: ${ajv.errorsText(validate.errors)}`;
  };
  const checkBody = (what: string, schema: string | undefined, body: unknown): string | undefined => {
    if (schema === undefined) return body === undefined ? undefined : `${what} has a body`;
    const problem = body === undefined ? "no body" : value(schema, body);
    return problem === undefined ? undefined : `${what}: ${problem}`;
  };
  return {
    value,
    request(operation, body) {
      const known = operations[operation];
      return known === undefined ? `${operation} is not in ${file}` : checkBody(operation, known.body, body);
    },
    answer(operation, status, body) {
      const answers = operations[operation]?.answers ?? {};
      const schema = answers[String(status)] ?? (status >= 400 ? answers["default"] : undefined);
      if (schema === undefined) return `${operation} has no answer ${status} in ${file}`;
      return checkBody(`${operation} ${status}`, schema === "none" ? undefined : schema, body);
    },
  };
}
