import { itemSamples, type MetricFamily } from "./metric-family.ts";
import { linesOf, type ReadText, tryRead, zipColumns } from "./proc-text.ts";

const items = [
  "reads",
  "merged",
  "sectors_read",
  "time_reading",
  "writes",
  "writes_merged",
  "sectors_written",
  "time_writing",
  "in_progress",
  "time_in_progress",
  "weighted_time_in_progress",
  "discards",
  "discards_merged",
  "sectors_discarded",
  "time_discarding",
  "flushes",
  "time_flushing",
];

/** Counters from /proc/diskstats: sectors of 512 bytes, times in milliseconds. */
export function guestDiskstat(readText: ReadText): MetricFamily[] {
  const samples = [];
  for (const line of linesOf(tryRead(readText, "/proc/diskstats") ?? "")) {
    const [, , disk, ...columns] = line.trim().split(/ +/);
    if (disk !== undefined) samples.push(...itemSamples(zipColumns(items, columns), { disk }));
  }
  return [
    {
      name: "kata_guest_diskstat",
      type: "gauge",
      help: "Counters of the guest's block devices.",
      samples,
    },
  ];
}
