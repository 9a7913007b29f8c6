import { expect, test } from "vitest";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { GuestModel } from "./guest-model.ts";
import { watchByCalls } from "./watch-by-calls.ts";

/** Returns a client that answers with these counters, which double with each call. */
function clientOf(known: ReadonlySet<string>): AgentClient {
  let times = 1;
  const entry = (op: string, value: number) => ({ op, value: value * times });
  const statsContainer = async ({ container_id }: { readonly container_id: string }) => {
    if (!known.has(container_id)) throw new RpcError("invalid-argument", "no such container");
    times++;
    return {
      cgroup_stats: {
        cpu_stats: { cpu_usage: { total_usage: 500_000_000 * times } },
        memory_stats: { usage: { usage: 4096, limit: 2 ** 63 } },
        pids_stats: { current: 2 },
        blkio_stats: { io_service_bytes_recursive: [entry("read", 10), entry("write", 20), entry("total", 30)] },
      },
      network_stats: [
        { rx_bytes: 5, tx_bytes: 6 },
        { rx_bytes: 5, tx_bytes: 6 },
      ],
    };
  };
  return { agent: { statsContainer } } as unknown as AgentClient;
}

test("containers of another agent get their usage by StatsContainer; those that are gone disappear", async () => {
  const known = new Set(["web"]);
  const stop = new AbortController();
  const model = new GuestModel();
  let updates = 0;
  const options = { intervalMs: 1, signal: stop.signal };
  for await (const update of watchByCalls(clientOf(known), () => ["web", "gone"], options)) {
    model.apply(update);
    updates++;
    if (updates === 2) {
      const [web, other] = model.containers();
      expect([web?.id, web?.state, other]).toEqual(["web", "running", undefined]);
      expect(web?.counters).toMatchObject({ memory: 4096, pids: 2, receivedBytes: 10, sentBytes: 12 });
      expect(web?.counters).not.toHaveProperty("memoryLimit");
      const { cpu = 0, read, written } = web === undefined ? { read: 0, written: 0 } : model.containerUsage(web);
      expect([cpu > 0, written]).toEqual([true, (read ?? 0) * 2]);
      known.delete("web");
    }
    if (updates === 3) stop.abort();
  }
  expect(model.containers()).toEqual([]);
});

test("an agent that doesn't answer ends it", async () => {
  const client = { agent: { statsContainer: () => Promise.reject(new RpcError("unavailable", "gone")) } };
  const updates = watchByCalls(client as unknown as AgentClient, () => ["web"], {
    signal: new AbortController().signal,
  });
  await expect(updates.next()).rejects.toThrow("gone");
});
