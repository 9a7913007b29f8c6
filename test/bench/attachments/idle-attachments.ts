import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { RawStreams } from "../../scenarios/raw-streams.ts";
import { memoryOf } from "../process-usage.ts";

const CONTAINER = "idle";
/** Execs started at once. */
const BATCH = 20;
/** Milliseconds until an idle agent has returned its memory. */
const SETTLE_MS = 15_000;

export interface IdleAttachments {
  readonly count: number;
  /** Growth of the agent's private dirty memory by the attachments, without their processes. */
  readonly kib: number;
}

/**
 * Measures the agent's memory for clients that are attached to processes which neither read nor write. The processes exist
 * before the first measurement.
 */
export async function idleAttachments(
  agentCommand: readonly string[],
  count: number,
  signal: AbortSignal,
): Promise<IdleAttachments> {
  await using agent = await startHostAgent({ agentCommand });
  await using client = await agent.connect();
  const spec = ociSpec(agent.rootfs("rootfs"), ["sleep", "1000"]);
  await client.agent.createSandbox({ sandbox_id: "bench", hostname: "bench" });
  await client.agent.createContainer({ container_id: CONTAINER, exec_id: CONTAINER, OCI: spec });
  await client.agent.startContainer({ container_id: CONTAINER });
  const process = { Args: ["sleep", "1000"], Env: ["PATH=/bin"], Cwd: "/" };
  const ids = Array.from({ length: count }, (_, at) => `idle-${at}`);
  for (let at = 0; at < count; at += BATCH) {
    signal.throwIfAborted();
    const batch = ids.slice(at, at + BATCH);
    await Promise.all(batch.map((exec_id) => client.agent.execProcess({ container_id: CONTAINER, exec_id, process })));
  }
  const pid = await agent.agentPid();
  await sleep(SETTLE_MS, undefined, { signal });
  const before = memoryOf(pid).privateDirtyKib;
  const attached: RawStreams[] = [];
  try {
    for (const exec_id of ids) {
      const raw = await RawStreams.attach(`${agent.address}_1028`, {
        container_id: CONTAINER,
        exec_id,
        client: exec_id,
      });
      attached.push(raw);
      await raw.frame("hello");
    }
    await sleep(SETTLE_MS, undefined, { signal });
    const kib = memoryOf(pid).privateDirtyKib - before;
    return { count, kib };
  } finally {
    for (const { socket } of attached) socket.destroy();
    await Promise.all(attached.map(({ socket }) => socket.closed || once(socket, "close")));
  }
}
