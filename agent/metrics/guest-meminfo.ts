import { itemSamples, type MetricFamily } from "./metric-family.ts";
import { parseKeyLines, type ReadText, tryRead } from "./proc-text.ts";

/** The kernel's item names by those that hosts know. */
const items: Readonly<Record<string, string>> = {
  mem_total: "MemTotal",
  mem_free: "MemFree",
  mem_available: "MemAvailable",
  buffers: "Buffers",
  cached: "Cached",
  swap_cached: "SwapCached",
  active: "Active",
  inactive: "Inactive",
  active_anon: "Active(anon)",
  inactive_anon: "Inactive(anon)",
  active_file: "Active(file)",
  inactive_file: "Inactive(file)",
  unevictable: "Unevictable",
  mlocked: "Mlocked",
  high_total: "HighTotal",
  high_free: "HighFree",
  low_total: "LowTotal",
  low_free: "LowFree",
  mmap_copy: "MmapCopy",
  swap_total: "SwapTotal",
  swap_free: "SwapFree",
  dirty: "Dirty",
  writeback: "Writeback",
  anon_pages: "AnonPages",
  mapped: "Mapped",
  shmem: "Shmem",
  slab: "Slab",
  s_reclaimable: "SReclaimable",
  s_unreclaim: "SUnreclaim",
  kernel_stack: "KernelStack",
  page_tables: "PageTables",
  quicklists: "Quicklists",
  nfs_unstable: "NFS_Unstable",
  bounce: "Bounce",
  writeback_tmp: "WritebackTmp",
  commit_limit: "CommitLimit",
  committed_as: "Committed_AS",
  vmalloc_total: "VmallocTotal",
  vmalloc_used: "VmallocUsed",
  vmalloc_chunk: "VmallocChunk",
  hardware_corrupted: "HardwareCorrupted",
  anon_hugepages: "AnonHugePages",
  shmem_hugepages: "ShmemHugePages",
  shmem_pmd_mapped: "ShmemPmdMapped",
  cma_total: "CmaTotal",
  cma_free: "CmaFree",
  hugepages_total: "HugePages_Total",
  hugepages_free: "HugePages_Free",
  hugepages_rsvd: "HugePages_Rsvd",
  hugepages_surp: "HugePages_Surp",
  hugepagesize: "Hugepagesize",
  direct_map_4k: "DirectMap4k",
  direct_map_4M: "DirectMap4M",
  direct_map_2M: "DirectMap2M",
  direct_map_1G: "DirectMap1G",
  hugetlb: "Hugetlb",
  per_cpu: "Percpu",
  k_reclaimable: "KReclaimable",
};

/**
 * Metrics from /proc/meminfo in bytes (pages for hugepages_*). Hosts expect every item, so one that this kernel lacks
 * is 0.
 */
export function guestMeminfo(readText: ReadText): MetricFamily[] {
  const text = tryRead(readText, "/proc/meminfo");
  const entries = parseKeyLines(text ?? "");
  const values = Object.entries(items).map(([item, key]) => {
    const entry = entries.get(key);
    return [item, entry === undefined ? 0 : entry.value * (entry.unit === "kB" ? 1024 : 1)] as const;
  });
  return [
    {
      name: "kata_guest_meminfo",
      type: "gauge",
      help: "Memory of the guest, in bytes.",
      samples: text === undefined ? [] : itemSamples(values),
    },
  ];
}
