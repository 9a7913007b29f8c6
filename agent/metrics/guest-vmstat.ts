import { itemSamples, type MetricFamily } from "./metric-family.ts";
import { linesOf, type ReadText, toNumber, tryRead } from "./proc-text.ts";

/** Metrics for every key of /proc/vmstat. */
export function guestVmstat(readText: ReadText): MetricFamily[] {
  const entries: (readonly [string, number])[] = [];
  for (const line of linesOf(tryRead(readText, "/proc/vmstat") ?? "")) {
    const [key = "", number] = line.split(" ");
    const value = toNumber(number);
    if (value !== undefined) entries.push([key, value]);
  }
  return [
    {
      name: "kata_guest_vm_stat",
      type: "gauge",
      help: "Virtual memory statistics of the guest.",
      samples: itemSamples(entries),
    },
  ];
}
