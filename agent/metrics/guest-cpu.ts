import { TICKS_PER_SECOND } from "./agent-process.ts";
import { itemSamples, type MetricFamily } from "./metric-family.ts";
import { type ReadText, tryRead, zipColumns } from "./proc-text.ts";

const items = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];

/** CPU times from /proc/stat in milliseconds: cpu "total", then one for each CPU number. */
export function guestCpu(readText: ReadText): MetricFamily[] {
  const samples = [];
  for (const line of (tryRead(readText, "/proc/stat") ?? "").split("\n")) {
    const [name = "", ...columns] = line.trim().split(/ +/);
    if (!/^cpu\d*$/.test(name)) break;
    const times = zipColumns(items, columns).map(([item, ticks]) => [item, (ticks * 1000) / TICKS_PER_SECOND] as const);
    samples.push(...itemSamples(times, { cpu: name === "cpu" ? "total" : name.slice(3) }));
  }
  return [
    { name: "kata_guest_cpu_time", type: "gauge", help: "Processor time of the guest, in milliseconds.", samples },
  ];
}
