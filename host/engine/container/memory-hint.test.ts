import { expect, test } from "vitest";
import type { AgentClient } from "../../client/agent-client.ts";
import { checkMemoryUse, memoryHint } from "./memory-hint.ts";

/** A client whose agent answers StatsContainer with this memory usage, or fails. */
function answering(usage: object | undefined, cache = 0): Pick<AgentClient, "agent"> {
  const statsContainer = async () => {
    if (usage === undefined) throw new Error("gone");
    return { cgroup_stats: { memory_stats: { usage, cache } } };
  };
  return { agent: { statsContainer } } as unknown as Pick<AgentClient, "agent">;
}

test("names the limit of a container that reached it, and nothing of others", async () => {
  const limit = 64 * 2 ** 20;
  expect(await memoryHint(answering({ failcnt: 3, limit }), "web")).toBe(
    "container web: killed after it had reached its memory limit of 64 MiB; raise --memory",
  );
  expect(await memoryHint(answering({ failcnt: 0, limit }), "web")).toBeUndefined();
  expect(await memoryHint(answering(undefined), "web")).toBeUndefined();
});

test("a limit below what a container uses is refused, unless the kernel can drop enough", async () => {
  const [used, limit] = [64 * 2 ** 20, 32 * 2 ** 20];
  await expect(checkMemoryUse(answering({ usage: used }), "web", limit)).rejects.toThrow(
    "container web: it uses 64 MiB, so 32 MiB would end it; raise --memory, or stop it first",
  );
  await checkMemoryUse(answering({ usage: used }, 40 * 2 ** 20), "web", limit);
  await checkMemoryUse(answering({ usage: used }), "web", used + 1);
});
