import { itemSamples, type MetricFamily } from "./metric-family.ts";
import { linesOf, type ReadText, tryRead, zipColumns } from "./proc-text.ts";

const received = ["bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast"];
const sent = ["bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed"];
const items = [...received.map((item) => `recv_${item}`), ...sent.map((item) => `sent_${item}`)];

/** Counters from /proc/net/dev in the agent's network namespace, which is the guest's. */
export function guestNetdev(readText: ReadText): MetricFamily[] {
  const samples = [];
  // Two header lines, then `name: numbers`. A name may itself contain a colon (aliases).
  for (const line of linesOf(tryRead(readText, "/proc/net/dev") ?? "").slice(2)) {
    const colon = line.lastIndexOf(":");
    if (colon < 0) continue;
    const columns = line
      .slice(colon + 1)
      .trim()
      .split(/ +/);
    samples.push(...itemSamples(zipColumns(items, columns), { interface: line.slice(0, colon).trim() }));
  }
  return [
    {
      name: "kata_guest_netdev_stat",
      type: "gauge",
      help: "Counters of the guest's network interfaces.",
      samples,
    },
  ];
}
