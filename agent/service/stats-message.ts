import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import {
  type CgroupStats,
  type CpuStats,
  type IoStats,
  type MemoryStats,
  UNLIMITED,
} from "../container/cgroup/cgroup-stats.ts";
import type { NetworkCounters } from "../container/cgroup/network-counters.ts";

/** Returns the answer to StatsContainer, without messages for controllers that the guest lacks. */
export function statsMessage(
  stats: CgroupStats,
  network: readonly NetworkCounters[] = [],
): Init<grpc.StatsContainerResponse> {
  const { cpu, memory, pids, io, hugetlb } = stats;
  return {
    cgroup_stats: {
      cpu_stats: cpu === undefined ? null : cpuMessage(cpu),
      memory_stats: memory === undefined ? null : memoryMessage(memory),
      pids_stats: pids === undefined ? null : { current: pids.current, limit: pidsLimit(pids.limit) },
      blkio_stats: io === undefined ? null : blkioMessage(io),
      hugetlb_stats: Object.fromEntries(
        Object.entries(hugetlb).map(([size, { usage, failures }]) => [size, { usage, failcnt: failures }]),
      ),
    },
    network_stats: network.map(networkMessage),
  };
}

function networkMessage({ name, received, sent }: NetworkCounters): Init<grpc.NetworkStats> {
  return {
    name,
    rx_bytes: received.bytes,
    rx_packets: received.packets,
    rx_errors: received.errors,
    rx_dropped: received.dropped,
    tx_bytes: sent.bytes,
    tx_packets: sent.packets,
    tx_errors: sent.errors,
    tx_dropped: sent.dropped,
  };
}

/** In this field 0 means no limit, as in the reference agent. */
function pidsLimit(limit = UNLIMITED): number {
  return limit === UNLIMITED ? 0 : limit;
}

/** Omits per-processor usage, which cgroup v2 doesn't count. */
function cpuMessage({ usage, user, system, throttling }: CpuStats): Init<grpc.CpuStats> {
  return {
    cpu_usage: { total_usage: usage, usage_in_usermode: user, usage_in_kernelmode: system },
    throttling_data: {
      periods: throttling?.periods ?? 0,
      throttled_periods: throttling?.throttledPeriods ?? 0,
      throttled_time: throttling?.throttledTime ?? 0,
    },
  };
}

/**
 * Returns memory usage; `swap_usage` is swap alone. The map is memory.stat plus cgroup v1's names, under which a host with cgroup v1
 * looks up cache, rss and mapped files (the total_ ones, as use_hierarchy is true).
 */
function memoryMessage({ usage, peak = 0, limit, limitHits, swap, stat }: MemoryStats): Init<grpc.MemoryStats> {
  const { file = 0, anon = 0, file_mapped = 0, inactive_file = 0 } = stat;
  const kernel = stat["kernel"] ?? (stat["kernel_stack"] ?? 0) + (stat["pagetables"] ?? 0) + (stat["slab"] ?? 0);
  const v1 = { cache: file, rss: anon, mapped_file: file_mapped };
  const totals = {
    total_cache: file,
    total_rss: anon,
    total_mapped_file: file_mapped,
    total_inactive_file: inactive_file,
  };
  return {
    cache: file,
    usage: { usage, max_usage: peak, failcnt: limitHits, limit },
    swap_usage: swap === undefined ? null : { usage: swap.usage, limit: swap.limit, failcnt: swap.limitHits },
    kernel_usage: { usage: kernel, limit: UNLIMITED },
    use_hierarchy: true,
    stats: { ...stat, ...v1, ...totals },
  };
}

/**
 * Returns block I/O with request counts in both lists: a host with cgroup v2 reads them as "rios" and "wios" in the list of bytes, one
 * with cgroup v1 in the list of requests.
 */
function blkioMessage(io: readonly IoStats[]): Init<grpc.BlkioStats> {
  return {
    io_service_bytes_recursive: io.flatMap(({ rbytes, wbytes, rios, wios, dbytes, dios, ...device }) =>
      entries(device, { read: rbytes, write: wbytes, rios, wios, dbytes, dios }),
    ),
    io_serviced_recursive: io.flatMap(({ rios, wios, dios, major, minor }) =>
      entries({ major, minor }, { read: rios, write: wios, discard: dios }),
    ),
  };
}

function entries(device: { major: number; minor: number }, values: Readonly<Record<string, number>>) {
  return Object.entries(values).map(([op, value]) => ({ ...device, op, value }));
}
