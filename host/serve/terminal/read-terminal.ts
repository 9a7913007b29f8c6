import { OperationError } from "../../operation-error.ts";
import type { CheckedFields } from "../checked-fields.ts";
import { NEEDS_ALLOW_EXEC } from "../serve-context.ts";
import type { TerminalPosition } from "./terminal-link.ts";

const MAX_WORDS = 64;
const MAX_WORD = 4096;
const MAX_SIZE = 1000;
/** Ids are chosen by pages, so they are like those of guestctl. */
const EXEC = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const EPOCH = /^(?:[0-9a-f]{2}){1,64}$/;

/** A page's request, checked. */
export interface TerminalRequest {
  readonly guest: string;
  readonly container: string;
  readonly exec: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly cols: number;
  readonly rows: number;
  readonly from: TerminalPosition | undefined;
  readonly mayOwn: boolean;
}

/** Reads the parameters of a terminal. Throws OperationError. */
export function readTerminal(fields: CheckedFields, allowExec: boolean): TerminalRequest {
  const exec = fields.optionalText("exec", 64);
  if (exec !== undefined && !EXEC.test(exec)) {
    throw new OperationError(`exec ${JSON.stringify(exec)}: use letters, digits, dots, hyphens and underscores`);
  }
  const command = fields.optionalTexts("command", MAX_WORDS, MAX_WORD);
  if (command !== undefined && !allowExec) throw new OperationError(NEEDS_ALLOW_EXEC);
  if (command !== undefined && exec === undefined)
    throw new OperationError("command: an exec id must be chosen for it");
  if (command?.length === 0) throw new OperationError("command: it has no words");
  const from = fields.optionalObject("from");
  return {
    guest: fields.text("guest"),
    container: fields.text("container"),
    exec,
    command,
    cols: fields.whole("cols", 1, MAX_SIZE),
    rows: fields.whole("rows", 1, MAX_SIZE),
    from: from && { epoch: epochOf(from), offset: from.whole("offset", 0, Number.MAX_SAFE_INTEGER) },
    mayOwn: allowExec && !fields.flag("observe"),
  };
}

function epochOf(from: CheckedFields): string {
  const epoch = from.text("epoch", 128);
  if (EPOCH.test(epoch)) return epoch;
  throw new OperationError("epoch: expected hexadecimal digits");
}
