/**
 * Commands of execs that this page starts, by exec id. They are kept in memory alone: a page that is opened by an address
 * attaches to an exec, but never starts one.
 */
const commands = new Map<string, readonly string[]>();

/** Chooses an exec id for a command that the user wants to start. */
export function newExec(command: readonly string[]): string {
  const letters = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => (byte % 36).toString(36)).join("");
  const exec = `x-${letters}`;
  commands.set(exec, command);
  return exec;
}

/** Returns the command of an exec that this page starts. */
export function commandOf(exec: string): readonly string[] | undefined {
  return commands.get(exec);
}
