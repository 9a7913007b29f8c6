import { AgentError } from "../kernel/error.ts";

/** Returns the error for a field of the spec, by its OCI name: one line, "OCI spec: <field> <why>". */
export function refuse(field: string, why: string): AgentError {
  return new AgentError("invalid-argument", `OCI spec: ${field} ${why}`);
}

/** Throws if a text has a NUL byte, where the kernel would cut it off. */
export function refuseNul(field: string, texts: readonly string[]): void {
  if (texts.some((text) => text.includes("\0"))) throw refuse(field, "has a NUL byte in it");
}
