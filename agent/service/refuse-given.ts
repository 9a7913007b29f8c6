import { AgentError } from "../kernel/error.ts";

/** Throws for the first of these fields that is set, as this agent does not support it. */
export function refuseGiven(call: string, fields: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(fields)) {
    const isGiven = Array.isArray(value) ? value.length > 0 : Boolean(value);
    if (isGiven) throw new AgentError("unimplemented", `${call}: ${name} is not supported`);
  }
}
