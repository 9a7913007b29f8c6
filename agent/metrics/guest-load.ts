import { itemSamples, type MetricFamily } from "./metric-family.ts";
import { type ReadText, toNumber, tryRead } from "./proc-text.ts";

/** Load averages and task counts from /proc/loadavg: `0.10 0.20 0.30 2/113 4711`. */
export function guestLoad(readText: ReadText): MetricFamily[] {
  const text = tryRead(readText, "/proc/loadavg") ?? "";
  const [load1, load5, load15, tasks = ""] = text.split(" ");
  const [current, all] = tasks.split("/");
  return [
    {
      name: "kata_guest_load",
      type: "gauge",
      help: "Load averages of the guest.",
      samples: itemSamples(known({ load1, load5, load15 })),
    },
    {
      name: "kata_guest_tasks",
      type: "gauge",
      help: "Runnable tasks (cur) and all tasks (max) of the guest.",
      samples: itemSamples(known({ cur: current, max: all })),
    },
  ];
}

function* known(items: Readonly<Record<string, string | undefined>>): Generator<readonly [string, number]> {
  for (const [item, text] of Object.entries(items)) {
    const value = toNumber(text);
    if (value !== undefined) yield [item, value];
  }
}
