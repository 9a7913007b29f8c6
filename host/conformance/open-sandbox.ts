import { RpcError } from "../client/rpc-error.ts";
import { isUnsupported } from "./outcome.ts";
import type { AgentUnderTest } from "./target/target.ts";

/** Result of CreateSandbox: this run's sandbox, one that the agent had before, or the error. */
export type SandboxOutcome = "created" | "existed" | Error;

/** Sandboxes of running agents by address. An agent has one sandbox, and each refuses a second one in its own way. */
const known = new Map<string, "created" | "existed">();
/** Addresses at which another agent has taken over, with or without the sandbox. */
const replaced = new Set<string>();

interface SandboxCalls {
  readonly create: () => Promise<unknown>;
  readonly runsContainers: () => Promise<boolean>;
}

/**
 * Calls CreateSandbox once for an agent. A running agent that refuses it had a sandbox if its code is ALREADY_EXISTS, or if it
 * runs a container all the same.
 */
export async function openSandbox({ address, isOwn }: AgentUnderTest, calls: SandboxCalls): Promise<SandboxOutcome> {
  const before = isOwn ? undefined : known.get(address);
  if (before !== undefined && !replaced.has(address)) return before;
  const error = await calls.create().then(
    () => undefined,
    (reason: Error) => reason,
  );
  if (error !== undefined && !(await hadSandbox(error, isOwn, calls))) return error;
  const outcome = error === undefined ? "created" : (before ?? "existed");
  if (!isOwn) known.set(address, outcome);
  replaced.delete(address);
  return outcome;
}

async function hadSandbox(error: Error, isOwn: boolean, calls: SandboxCalls): Promise<boolean> {
  if (error instanceof RpcError && error.kind === "already-exists") return true;
  return !isOwn && error instanceof RpcError && !isUnsupported(error) && (await calls.runsContainers());
}

/** Makes the next session call CreateSandbox again, because another agent has taken over. */
export function agentReplaced({ address }: AgentUnderTest): void {
  replaced.add(address);
}
