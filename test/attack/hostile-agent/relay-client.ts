import { existsSync } from "node:fs";
import { join } from "node:path";
import { connectTo } from "../../../host/engine/guest/guest-target.ts";
import { until } from "./attacked-program.ts";
import type { UsedProgram } from "./guestctl-lines.ts";

const CALL_MS = 2000;

/** Makes a call over a relay that guestctl has between a host and the agent. */
export async function relayOneCall({ child, copied }: Pick<UsedProgram, "child" | "copied">): Promise<void> {
  const path = join(copied, "relay.sock");
  await until(child, () => existsSync(path) || undefined);
  await using client = await connectTo({ address: `unix://${path}` });
  await client.agent.getMetrics({}, { timeoutMs: CALL_MS }).catch(() => undefined); // the agent's answer is its own
}
