import type { Command } from "commander";
import type { AuditEntry } from "../../audit/audit.ts";
import { readAudit } from "../../audit/read-audit.ts";
import { visibleLine } from "../../visible.ts";
import { isJson, jsonLine, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { pastTime } from "../flags/past-time.ts";
import { print } from "../output/print.ts";

interface AuditFlags extends OutputFlags {
  readonly since?: Date;
  readonly guest?: string;
  readonly container?: string;
}

const HELP = `
Each operation of guestctl, of a program that uses the package, of guestctl serve and of guestctl mcp is a line, written when it
begins: it may fail later. Operations that only read aren't recorded; neither are a command's words, environment and data.
The files are \${XDG_STATE_HOME:-~/.local/state}/guestd/audit/audit-NUMBER.jsonl, of 8 MiB each; the last four are kept. Where
GUESTD_AUDIT is off, nothing is recorded.

  guestctl audit --since 1h --guest web`;

/** Adds `guestctl audit`. */
export function addAudit(program: Command): void {
  const command = program
    .command("audit")
    .description("Print which user and program began which operation on which guest or container, and when.")
    .option("--since <time>", "print only later ones: than a time, or than 90s, 10m, 2h or 1d ago", pastTime)
    .option("-g, --guest <name>", "print only operations on this guest and in it")
    .option("-c, --container <id>", "print only operations on this container");
  withOutput(command, "print each as JSON on one line")
    .addHelpText("after", HELP)
    .action((flags: AuditFlags) => printAudit(flags));
}

async function printAudit({ since, guest, container, ...output }: AuditFlags): Promise<void> {
  for await (const entry of readAudit()) {
    if (since !== undefined && !(Date.parse(entry.time) >= since.getTime())) continue;
    if (guest !== undefined && entry.guest !== guest) continue;
    if (container !== undefined && entry.container !== container) continue;
    await print(isJson(output) ? jsonLine(entry) : textLine(entry));
  }
}

/** Formats an entry for people: time, user, program and operation, then what it acts on. */
function textLine(entry: AuditEntry): string {
  const { time, uid, user = `${uid}`, login, program, operation, guest, container, exec, template, address } = entry;
  const targets = Object.entries({
    guest,
    container,
    exec,
    template,
    address: guest === undefined ? address : undefined,
  });
  const words = targets.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  const who = login === undefined ? user : `${user}(${login})`;
  const what = program === `guestctl ${operation}` ? [program] : [program, operation];
  return `${visibleLine([time, who, ...what, ...words].join("  "))}\n`;
}
