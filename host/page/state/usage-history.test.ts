import { expect, it } from "vitest";
import { sumStreams, UsageHistory } from "./usage-history.ts";

it("keeps the samples of the last hour, in order, with null for unknown values", () => {
  const history = new UsageHistory();
  for (let second = 0; second < 4000; second++) {
    const cpu = second === 3999 ? {} : { cpu: second / 4096 };
    history.add(second, { ...cpu, pressure: {} }, second < 3998 ? {} : { output: 7 });
  }
  const [times, cpu, output, sent] = history.read(["cpu", "output", "sent"], 0);
  expect([times.length, times[0], times.at(-1)]).toEqual([3600, 400, 3999]);
  expect([cpu?.[0], cpu?.at(-2), cpu?.at(-1)]).toEqual([400 / 4096, 3998 / 4096, null]);
  expect([output?.at(-3), output?.at(-2)]).toEqual([null, 7]);
  expect(new Set(sent)).toEqual(new Set([null]));
  expect(history.read(["cpu"], 3990)[0]).toHaveLength(10);
});

it("adds the streams of containers, and leaves out what none of them has", () => {
  expect(sumStreams([{ output: 1 }, { output: 2, unacknowledged: 3 }, {}])).toEqual({ output: 3, unacknowledged: 3 });
});
