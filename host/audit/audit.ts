import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename } from "node:path";
import { oneLine } from "../operation-error.ts";
import { withoutControls } from "../visible.ts";
import { appendLine } from "./audit-files.ts";

/** Names of the objects that an operation acts on. */
export interface AuditTarget {
  /** Address of the agent. */
  readonly address?: string | undefined;
  readonly guest?: string | undefined;
  readonly container?: string | undefined;
  readonly exec?: string | undefined;
  readonly template?: string | undefined;
  readonly volume?: string | undefined;
}

/** A line of the audit. */
export interface AuditEntry extends AuditTarget {
  readonly time: string;
  readonly uid: number;
  readonly user?: string;
  /** Uid that logged in, if it isn't `uid`: of sudo and su. */
  readonly login?: number;
  readonly program: string;
  readonly pid: number;
  readonly operation: string;
}

/** Longest field in characters: a line is shorter than 4 KiB, whatever is in it. */
const MAX_FIELD = 128;
/** Loginuid of a process without a login. */
const NO_LOGIN = 0xffff_ffff;

/** Set by guestctl, for the program whose command it is. */
export const PROGRAM_VARIABLE = "GUESTD_AUDIT_PROGRAM";

let program = basename(process.argv[1] ?? "node");
let hasFailed = false;

/** Names this program in the audit: by default its script. */
export function nameProgram(name: string): void {
  program = process.env[PROGRAM_VARIABLE] ?? name;
}

/**
 * Records that an operation begins, unless GUESTD_AUDIT=off. Never throws: the first failure is reported in one line on stderr.
 * Takes names only, as words of a command and values of an environment may be secrets.
 */
export function audit(operation: string, target: AuditTarget): void {
  if (process.env["GUESTD_AUDIT"] === "off") return;
  try {
    appendLine(auditLine(operation, target));
  } catch (error) {
    if (hasFailed) return;
    hasFailed = true;
    process.stderr.write(`guestd: audit ${operation}: ${oneLine(error)}; GUESTD_AUDIT=off turns the audit off\n`);
  }
}

function auditLine(operation: string, { address, guest, container, exec, template, volume }: AuditTarget): string {
  const uid = process.getuid?.() ?? 0;
  const login = loginUid();
  const entry: AuditEntry = {
    time: new Date().toISOString(),
    uid,
    ...(login !== undefined && login !== uid && { login }),
    ...named({ user: userName(), program }),
    pid: process.pid,
    ...named({ operation, guest, container, exec, template, volume, address }),
  } as AuditEntry;
  return `${JSON.stringify(entry)}\n`;
}

/** Returns the fields that are set, each cleaned and cut. */
function named(fields: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(fields).flatMap(([key, value]): [string, string][] =>
    value === undefined || value === "" ? [] : [[key, clean(value)]],
  );
  return Object.fromEntries(entries);
}

function clean(text: string): string {
  const line = withoutControls(text.slice(0, 4 * MAX_FIELD)).replace(/[\t\n]/g, "");
  return line.slice(0, MAX_FIELD).toWellFormed();
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // the uid has no name
  }
}

function loginUid(): number | undefined {
  try {
    const uid = Number(readFileSync("/proc/self/loginuid", "latin1"));
    return uid === NO_LOGIN ? undefined : uid;
  } catch {
    return undefined; // a kernel without audit
  }
}
