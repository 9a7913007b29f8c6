import { AgentError } from "../kernel/error.ts";

/** Throws for the first field of a request that was given and that this agent does not carry yet. */
export function refuseGiven(call: string, fields: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(fields)) {
    const isGiven = Array.isArray(value) ? value.length > 0 : Boolean(value);
    if (isGiven) throw new AgentError("unimplemented", `${call}: ${name} is not supported`);
  }
}
