import type { AgentClient } from "../../client/agent-client.ts";
import { OperationError } from "../../operation-error.ts";
import type { SnapshotFacts } from "../../vm/snapshot/save-snapshot.ts";

const QUIESCE_MS = 60_000;

/**
 * Prepares a guest for a snapshot, freezes its containers, and returns what its manifest records of it. Throws OperationError if containers use a
 * share, which can't be in a snapshot; the guest then continues.
 */
export async function quiesce(client: AgentClient, guest: string): Promise<SnapshotFacts> {
  const running = await client.guest.running({});
  const { epoch, losses } = await client.guest.quiesce({ freeze_containers: true }, { timeoutMs: QUIESCE_MS });
  const share = losses.find(({ kind }) => kind === "share");
  if (share !== undefined) {
    await client.guest.resumed({ epoch });
    const remedy = "remove them, or use a guest without -v and --rootfs share";
    throw new OperationError(`save guest ${guest}: containers use the share at ${share.object}; ${remedy}`);
  }
  return { guest, epoch, notes: { agent: running.version, losses } };
}
