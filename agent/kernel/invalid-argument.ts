import { AgentError } from "./error.ts";

export { quoted } from "../../lib/quoted.ts";

/** Returns the error for input that can't be accepted. */
export function invalidArgument(message: string): AgentError {
  return new AgentError("invalid-argument", message);
}
