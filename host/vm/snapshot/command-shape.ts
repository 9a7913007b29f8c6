import type { Machine } from "../guest-options.ts";
import { qemuArguments } from "../qemu-command.ts";

/**
 * Returns the command line that a clone of this machine starts with, without what differs between clones. QEMU loads a
 * state only into the same machine.
 */
export function commandShape(machine: Machine): string {
  const card = machine.card && { card: { ...machine.card, forwards: [] } };
  return qemuArguments({ ...machine, ...card, vsock: undefined, shares: [], incoming: { memory: "empty" } }).join(" ");
}
