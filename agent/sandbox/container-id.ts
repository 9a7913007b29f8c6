import { AgentError } from "../kernel/error.ts";

/** The reference agent's rule: a letter or digit, then at least one of letters, digits, `_ . -`. At most 200, as it becomes a file name. */
const CONTAINER_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{1,199}$/;

export function checkContainerId(id: string): void {
  if (!CONTAINER_ID.test(id)) {
    const shown = JSON.stringify(id.slice(0, 80));
    throw new AgentError("invalid-argument", `Invalid container id ${shown}: it must match ${CONTAINER_ID.source}`);
  }
}

/** Throws for an exec id that doesn't fit into a process's label, whose size is bounded. The host may use any other text. */
export function checkExecId(id: string): void {
  if (Buffer.byteLength(id) > 256 || id.includes("\0")) {
    throw new AgentError("invalid-argument", "invalid exec id: longer than 256 bytes, or with a NUL byte");
  }
}
