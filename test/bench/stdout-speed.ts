import type { AgentClient } from "../../host/client/agent-client.ts";
import type { CallCpu } from "./process-usage.ts";
import type { Samples } from "./samples.ts";

const MIB = 1024 * 1024;

/**
 * Measures a container's output through ReadStdout in megabytes (10^6) per second, one call after the other as hosts
 * do. `dd` in the running container `container_id` writes zeros to its stdout, a real pipe. `cpu` measures only the
 * reads.
 */
export async function readSpeed(
  client: AgentClient,
  options: { readonly container_id: string; readonly exec_id: string; readonly len: number; readonly mib: number },
  into: Samples,
  cpu: CallCpu,
): Promise<void> {
  const { container_id, exec_id, len, mib } = options;
  const { agent } = client;
  const args = ["dd", "if=/dev/zero", "bs=64k", `count=${mib * 16}`];
  await agent.execProcess({ container_id, exec_id, process: { Args: args, Env: ["PATH=/bin"], Cwd: "/" } });
  let bytes = 0;
  let seconds = 0;
  await cpu.during(async () => {
    const began = performance.now();
    for (let calls = 1; ; calls++) {
      const { data } = await agent.readStdout({ container_id, exec_id, len });
      seconds = (performance.now() - began) / 1000;
      if (data.length === 0) return calls;
      bytes += data.length;
    }
  });
  const { status } = await agent.waitProcess({ container_id, exec_id });
  if (status !== 0 || bytes !== mib * MIB) throw new Error(`dd in guestd: exit code ${status}, ${bytes} bytes read`);
  into.add(bytes / 1e6 / seconds);
}
