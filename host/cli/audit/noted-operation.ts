import type { Command } from "commander";
import { type AuditTarget, audit, nameProgram } from "../../audit/audit.ts";
import type { Target } from "../../engine/guest/guest-target.ts";

/**
 * Commands that the audit records, and what names the guest or container: "found", the command's look-up of it; "command",
 * a call of `noteOperation`; "template" and "volume", the arguments; "nowhere", nothing. Exported for the test.
 */
export const OPERATIONS: Readonly<Record<string, "found" | "command" | "template" | "volume" | "nowhere">> = {
  "agent kill": "found",
  attach: "found",
  boot: "command",
  capture: "found",
  "container prune": "nowhere",
  "cores rm": "found",
  cp: "found",
  debug: "found",
  exec: "command",
  export: "found",
  fork: "found",
  forward: "found",
  kill: "command",
  pause: "found",
  restart: "found",
  rm: "found",
  run: "command",
  snapshot: "found",
  "ssh-proxy": "found",
  start: "found",
  stop: "found",
  "system prune": "nowhere",
  "template create": "template",
  "template rm": "template",
  unpause: "found",
  update: "found",
  upgrade: "found",
  "volume create": "volume",
  "volume prune": "nowhere",
  "volume rm": "volume",
};

let operation: string | undefined;
const noted = new Set<string>();

/** Begins the audit of a command. */
export function beginAudit(command: Command): void {
  const path = pathOf(command);
  nameProgram(`guestctl ${path}`);
  if (OPERATIONS[path] === undefined) return;
  operation = path;
  const kind = OPERATIONS[path];
  if (kind === "template" || kind === "volume") for (const name of command.args) audit(path, { [kind]: name });
  if (kind === "nowhere") audit(path, {});
}

/** Records the command with the target that it has found, once for each. Returns the target. */
export function noteFound<T extends Target & { readonly container?: string; readonly exec?: string }>(target: T): T {
  if (operation !== undefined && OPERATIONS[operation] === "found") {
    noteOperation({ ...target, guest: target.guest?.name });
  }
  return target;
}

/** Records the command with a target, once for each. */
export function noteOperation({ address, guest, container, exec }: AuditTarget): void {
  if (operation === undefined) return;
  const key = JSON.stringify([address, guest, container, exec]);
  if (noted.has(key)) return;
  noted.add(key);
  audit(operation, { address, guest, container, exec });
}

/** Returns a command's words, without guestctl. */
function pathOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${pathOf(parent)} ${command.name()}` : command.name();
}
