import { writeSync } from "node:fs";
import type { AgentClient } from "../../host/client/agent-client.ts";
import type { RuntimeState } from "./runtime-state.ts";

/** Copies a container's output to our own until its streams and its process have ended, then notes that it stopped. */
export async function followContainer(client: AgentClient, container: RuntimeState): Promise<void> {
  const process = { container_id: container.id, exec_id: container.id };
  const copy = async (read: "readStdout" | "readStderr", descriptor: number) => {
    for (;;) {
      const { data } = await client.agent[read]({ ...process, len: 65536 }).catch(() => ({ data: Buffer.alloc(0) }));
      if (data.length === 0) return;
      for (let at = 0; at < data.length; ) at += writeSync(descriptor, data, at);
    }
  };
  await Promise.all([copy("readStdout", 1), copy("readStderr", 2), client.agent.waitProcess(process)]);
  if (container.exists) container.mark("stopped");
}
