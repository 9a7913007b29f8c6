import type { grpc } from "../../../proto/gen/messages.js";
import { diskBytes } from "../../engine/guest/disk-bytes.ts";

/** Resources that a sandbox's container uses. */
export interface SandboxStats {
  readonly memoryBytes: number;
  /** Undefined if there is none. */
  readonly memoryLimitBytes?: number;
  /** Time on processors since its start. */
  readonly cpuSeconds: number;
  /** Processes and threads. */
  readonly tasks: number;
  readonly tasksLimit?: number;
  readonly diskReadBytes: number;
  readonly diskWrittenBytes: number;
  /** Interfaces of the sandbox. */
  readonly networks: readonly { readonly name: string; readonly receivedBytes: number; readonly sentBytes: number }[];
}

/** Values from here on mean that there is no limit. */
const NO_LIMIT = 2 ** 62;

/**
 * Converts the agent's answer.
 *
 * @internal
 */
export function sandboxStats({ cgroup_stats, network_stats }: grpc.StatsContainerResponse): SandboxStats {
  const { cpu_stats, memory_stats, pids_stats } = cgroup_stats ?? {};
  const limit = memory_stats?.usage?.limit ?? 0;
  const tasks = pids_stats?.limit ?? 0;
  return {
    memoryBytes: memory_stats?.usage?.usage ?? 0,
    ...(limit > 0 && limit < NO_LIMIT && { memoryLimitBytes: limit }),
    cpuSeconds: (cpu_stats?.cpu_usage?.total_usage ?? 0) / 1e9,
    tasks: pids_stats?.current ?? 0,
    ...(tasks > 0 && tasks < NO_LIMIT && { tasksLimit: tasks }),
    diskReadBytes: cgroup_stats ? diskBytes(cgroup_stats, "read") : 0,
    diskWrittenBytes: cgroup_stats ? diskBytes(cgroup_stats, "write") : 0,
    networks: network_stats.map(({ name, rx_bytes, tx_bytes }) => {
      return { name, receivedBytes: rx_bytes, sentBytes: tx_bytes };
    }),
  };
}
