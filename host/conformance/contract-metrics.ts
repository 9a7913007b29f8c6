/** A metric without its values. */
export interface MetricShape {
  readonly type: "gauge" | "counter";
  /** Labels beside `item`. */
  readonly labels: readonly string[];
  /** Values of the label `item`. */
  readonly items: readonly string[];
  /** Why a machine may have no sample of it. */
  readonly optional?: string;
}

const plain = (type: MetricShape["type"] = "gauge"): MetricShape => ({ type, labels: [], items: [] });
const gauge = (items: string, labels: readonly string[] = []): MetricShape => ({
  type: "gauge",
  labels,
  items: items.split(" ").filter((item) => item !== ""),
});

/** Metrics that every agent of the contract reports. Items that depend on the kernel are left out. */
export const CONTRACT_METRICS: Readonly<Record<string, MetricShape>> = {
  kata_agent_scrape_count: plain("counter"),
  kata_agent_threads: plain(),
  kata_agent_total_time: plain(),
  kata_agent_total_vm: plain(),
  kata_agent_total_rss: plain(),
  kata_agent_proc_status: gauge(
    "vmpeak vmsize vmlck vmpin vmhwm vmrss rssanon rssfile rssshmem vmdata vmstk vmexe vmlib vmpte vmswap " +
      "voluntary_ctxt_switches nonvoluntary_ctxt_switches",
  ),
  kata_agent_io_stat: gauge("rchar wchar syscr syscw read_bytes write_bytes cancelled_write_bytes"),
  kata_agent_proc_stat: gauge("utime stime cutime cstime"),
  kata_guest_load: gauge("load1 load5 load15"),
  kata_guest_tasks: gauge("cur max"),
  kata_guest_cpu_time: gauge("user nice system idle iowait irq softirq steal guest guest_nice", ["cpu"]),
  kata_guest_vm_stat: gauge("nr_free_pages pgfault pgmajfault"),
  kata_guest_netdev_stat: gauge(
    "recv_bytes recv_packets recv_errs recv_drop recv_fifo recv_frame recv_compressed recv_multicast sent_bytes " +
      "sent_packets sent_errs sent_drop sent_fifo sent_colls sent_carrier sent_compressed",
    ["interface"],
  ),
  kata_guest_diskstat: {
    ...gauge(
      "reads merged sectors_read time_reading writes writes_merged sectors_written time_writing in_progress " +
        "time_in_progress weighted_time_in_progress",
      ["disk"],
    ),
    optional: "the agent's machine has no disk",
  },
  kata_guest_meminfo: gauge(
    "mem_total mem_free mem_available buffers cached swap_cached active inactive active_anon inactive_anon active_file " +
      "inactive_file swap_total swap_free dirty writeback anon_pages mapped shmem slab kernel_stack page_tables " +
      "commit_limit committed_as vmalloc_total vmalloc_used",
  ),
  kata_guest_filesystem_bytes: {
    ...gauge("total used available", ["device", "mount"]),
    optional: "no writable ext4, xfs, btrfs, vfat or overlay is mounted on the agent's machine",
  },
  kata_guest_filesystem_inodes: {
    ...gauge("total used available", ["device", "mount"]),
    optional: "no writable ext4, xfs, btrfs, vfat or overlay is mounted on the agent's machine",
  },
};
