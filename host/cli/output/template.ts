import { InvalidArgumentError } from "commander";
import { visibleLine } from "../../visible.ts";
import { CliError } from "../cli-error.ts";

/** Formats a record. Throws CliError if the record lacks a field. */
export type Template = (record: unknown) => string;

const SUPPORTED =
  'supported are {{.Field.Field}}, {{json .}}, {{len .A}}, {{join .A ", "}}, {{index .A 0}}, {{upper .A}} and {{lower .A}}';
/** A path such as ".State.Status" or ".", a quoted text, or a number. */
const WORD = /\s*(?:(\.(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)?)|"([^"\\]*)"|(-?\d+)|([A-Za-z_]\w*))(?=\s|$)/y;

type Operand = { readonly path: readonly string[] } | { readonly value: string | number };

/**
 * Compiles the part of Go's templates that docker's users need for `--format`: fields, whose names match in any case, and
 * a few functions. Throws InvalidArgumentError that names anything else.
 */
export function template(text: string): Template {
  const parts: Template[] = [];
  let end = 0;
  for (const match of text.matchAll(/\{\{(-?)(.*?)(-?)\}\}/gs)) {
    const [whole, trimBefore, action = "", trimAfter] = match;
    if (trimBefore !== "" || trimAfter !== "") throw unsupported(`${whole}: trimming of spaces`);
    parts.push(literal(text.slice(end, match.index)), compileAction(action.trim()));
    end = match.index + whole.length;
  }
  const rest = text.slice(end);
  if (/\{\{|\}\}/.test(rest)) throw new InvalidArgumentError("An action is not closed: write {{.Field}}.");
  parts.push(literal(rest));
  return (record) => parts.map((part) => part(record)).join("");
}

function literal(text: string): Template {
  if (text.includes("}}")) throw new InvalidArgumentError("An action is not opened: write {{.Field}}.");
  const plain = text.replace(/\\([nt])/g, (_, letter) => (letter === "n" ? "\n" : "\t"));
  return () => plain;
}

function compileAction(action: string): Template {
  const { name, operands } = parseAction(action);
  if (name === undefined) {
    const [operand, more] = operands;
    if (operand === undefined || more !== undefined) throw unsupported(`{{${action}}}`);
    return (record) => display(resolve(operand, record));
  }
  const work = FUNCTIONS.get(name);
  if (work === undefined) throw unsupported(`{{${action}}}: ${name}`);
  if (operands.length !== work.operands)
    throw new InvalidArgumentError(`{{${action}}}: ${name} has ${work.operands} operands.`);
  return (record) => {
    const [value, ...rest] = operands.map((operand) => resolve(operand, record));
    return display(work.call(value, rest[0]));
  };
}

function parseAction(action: string): { readonly name: string | undefined; readonly operands: readonly Operand[] } {
  const operands: Operand[] = [];
  let name: string | undefined;
  WORD.lastIndex = 0;
  while (WORD.lastIndex < action.length) {
    const found = WORD.exec(action);
    if (found === null) throw unsupported(`{{${action}}}`);
    const [, path, quoted, number, word] = found;
    if (word !== undefined) {
      if (name !== undefined || operands.length > 0) throw unsupported(`{{${action}}}`);
      name = word;
    } else if (path !== undefined) operands.push({ path: path.split(".").filter((part) => part !== "") });
    else operands.push({ value: quoted ?? Number(number) });
  }
  return { name, operands };
}

interface TemplateFunction {
  readonly operands: number;
  call(value: unknown, more: unknown): unknown;
}

const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  ["json", { operands: 1, call: (value) => JSON.stringify(value ?? null) }],
  ["len", { operands: 1, call: lengthOf }],
  ["join", { operands: 2, call: (value, by) => listOf(value, "join").map(display).join(String(by)) }],
  ["index", { operands: 2, call: itemOf }],
  ["upper", { operands: 1, call: (value) => display(value).toUpperCase() }],
  ["lower", { operands: 1, call: (value) => display(value).toLowerCase() }],
] satisfies [string, TemplateFunction][]);

function lengthOf(value: unknown): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  if (isRecord(value)) return Object.keys(value).length;
  throw new CliError("--format: len: the field has no length");
}

function itemOf(value: unknown, key: unknown): unknown {
  if (isRecord(value)) return field(value, String(key), String(key));
  const item: unknown = listOf(value, "index")[Number(key)];
  if (item === undefined) throw new CliError(`--format: index: the field has no item ${String(key)}`);
  return item;
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new CliError(`--format: ${name}: the field is not a list`);
}

function resolve(operand: Operand, record: unknown): unknown {
  if ("value" in operand) return operand.value;
  let value = record;
  for (const [at, name] of operand.path.entries()) value = field(value, name, operand.path.slice(0, at + 1).join("."));
  return value;
}

function field(value: unknown, name: string, path: string): unknown {
  const record = isRecord(value) ? value : {};
  const keys = Object.keys(record).filter((key) => record[key] !== undefined);
  const key = keys.find((each) => each.toLowerCase() === name.toLowerCase());
  if (key !== undefined) return record[key];
  const known = keys.join(", ") || "none";
  throw new CliError(`--format: there is no field .${path}; fields there: ${known}`);
}

/** Formats a value as one line: texts as they are, everything else as JSON. */
function display(value: unknown): string {
  if (typeof value === "string") return visibleLine(value);
  return value === undefined ? "" : visibleLine(JSON.stringify(value));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unsupported(what: string): InvalidArgumentError {
  return new InvalidArgumentError(`${what} is not supported; ${SUPPORTED}.`);
}
