import { itemSamples, type MetricFamily, plainGauge } from "./metric-family.ts";
import { parseKeyLines, type ReadText, toNumber, tryRead } from "./proc-text.ts";

/** USER_HZ, the unit of times in /proc on every architecture that guestd supports. */
export const TICKS_PER_SECOND = 100;

const statusItems = [
  "VmPeak",
  "VmSize",
  "VmLck",
  "VmPin",
  "VmHWM",
  "VmRSS",
  "RssAnon",
  "RssFile",
  "RssShmem",
  "VmData",
  "VmStk",
  "VmExe",
  "VmLib",
  "VmPTE",
  "VmSwap",
  "HugetlbPages",
  "voluntary_ctxt_switches",
  "nonvoluntary_ctxt_switches",
];

const ioItems = ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"];

/**
 * Metrics of the agent's own process, from /proc/<pid>. Times are in seconds (total_time) or ticks (proc_stat), sizes
 * in bytes (total_*) or KiB (proc_status).
 */
export function agentProcess(readText: ReadText, pid: number): MetricFamily[] {
  const status = tryRead(readText, `/proc/${pid}/status`);
  const io = tryRead(readText, `/proc/${pid}/io`);
  const statText = tryRead(readText, `/proc/${pid}/stat`);
  const stat = statText === undefined ? undefined : parseStat(statText);
  const rss = status === undefined ? undefined : parseKeyLines(status).get("VmRSS")?.value;
  const ticks = stat === undefined ? undefined : stat.utime + stat.stime;
  const times = (["utime", "stime", "cutime", "cstime"] as const).map((item) => [item, stat?.[item] ?? 0] as const);
  return [
    plainGauge("kata_agent_threads", "Threads of the agent.", stat?.threads),
    plainGauge(
      "kata_agent_total_time",
      "Processor time that the agent used, in seconds.",
      ticks && ticks / TICKS_PER_SECOND,
    ),
    plainGauge("kata_agent_total_vm", "Virtual memory of the agent, in bytes.", stat?.vsize),
    plainGauge("kata_agent_total_rss", "Resident memory of the agent, in bytes.", rss && rss * 1024),
    {
      name: "kata_agent_proc_status",
      type: "gauge",
      help: "The agent's /proc/self/status; memory in KiB.",
      samples: status === undefined ? [] : itemSamples(pick(status, statusItems)),
    },
    {
      name: "kata_agent_io_stat",
      type: "gauge",
      help: "The agent's /proc/self/io.",
      samples: io === undefined ? [] : itemSamples(pick(io, ioItems)),
    },
    {
      name: "kata_agent_proc_stat",
      type: "gauge",
      help: "Processor time of the agent and its reaped children, in ticks of 1/100 s.",
      samples: stat === undefined ? [] : itemSamples(times),
    },
  ];
}

function pick(text: string, keys: readonly string[]): (readonly [string, number])[] {
  const entries = parseKeyLines(text);
  return keys.map((key) => [key.toLowerCase(), entries.get(key)?.value ?? 0]);
}

/**
 * Parses /proc/<pid>/stat. The command name (field 2) may contain spaces and parentheses, so fields are counted from
 * the last ")".
 */
function parseStat(text: string) {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => toNumber(fields[number - 3]) ?? 0;
  return {
    utime: field(14),
    stime: field(15),
    cutime: field(16),
    cstime: field(17),
    threads: field(20),
    vsize: field(23),
  };
}
