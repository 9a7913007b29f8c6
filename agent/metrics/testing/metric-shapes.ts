/** A metric's shape: everything but its values. */
export interface MetricShape {
  readonly type: string;
  /** Labels of each sample, without the item. */
  readonly labels: readonly string[];
  readonly items: readonly string[];
}

/** The item lists of section 13 of the contract, written out independently. */
const ITEMS: Readonly<Record<string, string>> = {
  kata_agent_proc_status:
    "vmpeak vmsize vmlck vmpin vmhwm vmrss rssanon rssfile rssshmem vmdata vmstk vmexe vmlib vmpte vmswap hugetlbpages voluntary_ctxt_switches nonvoluntary_ctxt_switches",
  kata_agent_io_stat: "rchar wchar syscr syscw read_bytes write_bytes cancelled_write_bytes",
  kata_agent_proc_stat: "utime stime cutime cstime",
  kata_guest_load: "load1 load5 load15",
  kata_guest_tasks: "cur max",
  kata_guest_cpu_time: "user nice system idle iowait irq softirq steal guest guest_nice",
  kata_guest_netdev_stat:
    "recv_bytes recv_packets recv_errs recv_drop recv_fifo recv_frame recv_compressed recv_multicast sent_bytes sent_packets sent_errs sent_drop sent_fifo sent_colls sent_carrier sent_compressed",
  kata_guest_diskstat:
    "reads merged sectors_read time_reading writes writes_merged sectors_written time_writing in_progress time_in_progress weighted_time_in_progress discards discards_merged sectors_discarded time_discarding flushes time_flushing",
  kata_guest_meminfo:
    "mem_total mem_free mem_available buffers cached swap_cached active inactive active_anon inactive_anon active_file inactive_file unevictable mlocked high_total high_free low_total low_free mmap_copy swap_total swap_free dirty writeback anon_pages mapped shmem slab s_reclaimable s_unreclaim kernel_stack page_tables quicklists nfs_unstable bounce writeback_tmp commit_limit committed_as vmalloc_total vmalloc_used vmalloc_chunk hardware_corrupted anon_hugepages shmem_hugepages shmem_pmd_mapped cma_total cma_free hugepages_total hugepages_free hugepages_rsvd hugepages_surp hugepagesize direct_map_4k direct_map_4M direct_map_2M direct_map_1G hugetlb per_cpu k_reclaimable",
  kata_guest_filesystem_bytes: "total used available",
  kata_guest_filesystem_inodes: "total used available",
};

const PLAIN = ["kata_agent_threads", "kata_agent_total_time", "kata_agent_total_vm", "kata_agent_total_rss"];
const BESIDE_ITEM: Readonly<Record<string, readonly string[]>> = {
  kata_guest_cpu_time: ["cpu"],
  kata_guest_netdev_stat: ["interface"],
  kata_guest_diskstat: ["disk"],
  kata_guest_filesystem_bytes: ["device", "mount"],
  kata_guest_filesystem_inodes: ["device", "mount"],
};

/** Every metric that hosts know. `vmstat` is the text of /proc/vmstat, whose keys are items. */
export function contractMetrics(vmstat: string): Record<string, MetricShape> {
  const vmKeys = Array.from(vmstat.matchAll(/^(\w+) /gm), ([, key = ""]) => key);
  const withItems = [...Object.entries(ITEMS), ["kata_guest_vm_stat", vmKeys.join(" ")] as const];
  return {
    kata_agent_scrape_count: { type: "counter", labels: [], items: [] },
    ...Object.fromEntries(PLAIN.map((name) => [name, { type: "gauge", labels: [], items: [] }])),
    ...Object.fromEntries(
      withItems.map(([name, items]) => [
        name,
        { type: "gauge", labels: BESIDE_ITEM[name] ?? [], items: items.split(" ").toSorted() },
      ]),
    ),
  };
}

/**
 * Returns each sample's value by name and labels. Throws for a line that is not in the text format and for a duplicate
 * sample.
 */
export function parseMetrics(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split("\n").slice(0, -1)) {
    if (/^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (gauge|counter|histogram))$/.test(line)) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (-?[0-9.e+-]+)$/.exec(line);
    if (match?.[1] === undefined) throw new Error(`not a line of the text format: ${line}`);
    if (series.has(match[1])) throw new Error(`twice: ${match[1]}`);
    series.set(match[1], Number(match[2]));
  }
  return series;
}

/**
 * Returns the shapes of metrics with this prefix that have samples, except histograms. Throws if samples of one metric
 * differ in labels, or a type is missing.
 */
export function metricShapes(text: string, prefix: string): Record<string, MetricShape> {
  const found = new Map<string, { labels: string[]; items: Set<string> }>();
  for (const series of parseMetrics(text).keys()) {
    const [, name = "", inBraces = ""] = /^([a-z_]+)(.*)$/.exec(series) ?? [];
    if (!name.startsWith(prefix)) continue;
    const pairs = Array.from(inBraces.matchAll(/[{,]([a-z]+)="((?:[^"\\]|\\.)*)"/g));
    const labels = pairs.map(([, label = ""]) => label).toSorted();
    const shape = found.get(name) ?? { labels, items: new Set() };
    if (shape.labels.join() !== labels.join()) throw new Error(`other labels than before: ${series}`);
    for (const [, label, value = ""] of pairs) if (label === "item") shape.items.add(value);
    found.set(name, shape);
  }
  return Object.fromEntries(
    Array.from(found, ([name, { labels, items }]) => {
      const type = new RegExp(`^# TYPE ${name} (\\w+)$`, "m").exec(text)?.[1];
      if (type === undefined) throw new Error(`no type: ${name}`);
      return [name, { type, labels: labels.filter((label) => label !== "item"), items: [...items].toSorted() }];
    }),
  );
}
