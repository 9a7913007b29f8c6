import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";

/** Smallest memory limit of a container, in bytes: below it the kernel kills its first process. Docker has the same. */
export const MIN_MEMORY = 6 * 2 ** 20;
const CPU_PERIOD = 100_000;

export interface Limits {
  /** In bytes. */
  readonly memory?: number | undefined;
  /** Number of processors. */
  readonly cpus?: number | undefined;
  /** Number of processes and threads. */
  readonly pids?: number | undefined;
}

/** Converts limits to OCI resources. */
export function limitResources({ memory, cpus, pids }: Limits): Init<grpc.LinuxResources> {
  return {
    ...(memory === undefined ? {} : { Memory: { Limit: memory } }),
    ...(cpus === undefined ? {} : { CPU: { Quota: Math.round(cpus * CPU_PERIOD), Period: CPU_PERIOD } }),
    ...(pids === undefined ? {} : { Pids: { Limit: pids } }),
  };
}
