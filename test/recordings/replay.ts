import type { AgentClient } from "../../host/client/agent-client.ts";
import type { Request } from "../../host/conversation/format/conversation.ts";
import type { JsonMessage } from "../../host/conversation/format/message-json.ts";
import type { NumberedEntry } from "../../host/conversation/format/read-conversation.ts";
import type { Outcome } from "../../host/conversation/replay/outcome.ts";
import { replay } from "../../host/conversation/replay/replay.ts";

/** Long enough for a loaded machine. */
const RESPONSE_MS = 60_000;

/** A result that differs in meaning from the recorded one, as text. */
export interface Difference {
  /** ttRPC stream id of the recorded call. */
  readonly stream: number;
  readonly call: string;
  readonly reference: string;
  readonly guestd: string;
}

/** Replays a shim's conversation. `limits` is true if the containers' cgroups can have limits. */
export async function replayRecording(
  connect: () => Promise<AgentClient>,
  entries: readonly NumberedEntry[],
  limits: boolean,
): Promise<Difference[]> {
  const options = { timeoutMs: RESPONSE_MS, ...(limits ? {} : { prepare: withoutLimits }) };
  const { differences } = await replay(entries, connect, options);
  return differences.map(({ stream, method, results }) => {
    return { stream, call: method, reference: text(results.recorded), guestd: text(results.actual) };
  });
}

function withoutLimits({ method, message }: Request): JsonMessage | undefined {
  const { OCI } = (message ?? {}) as { OCI?: { Linux?: Record<string, unknown> } };
  if (method !== "CreateContainer" || OCI?.Linux === undefined) return undefined;
  const { Resources: _, ...linux } = OCI.Linux;
  return { ...message, OCI: { ...OCI, Linux: linux } };
}

/** Returns an output, an error's code and text, or a message as JSON. */
function text(result: Outcome | string): string {
  if (typeof result === "string") return result;
  if ("error" in result) return `code ${result.error.code}: ${result.error.text}`;
  return JSON.stringify("message" in result ? result.message : result);
}
