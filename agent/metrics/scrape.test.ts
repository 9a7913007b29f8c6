import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { realFiles } from "../kernel/files.ts";
import { EventLoopLag } from "./event-loop-lag.ts";
import { GuestMetrics, type GuestMetricsOptions } from "./scrape.ts";
import { contractMetrics, metricShapes, parseMetrics } from "./testing/metric-shapes.ts";

const testdata = join(import.meta.dirname, "testdata");
const captured = (path: string) => readFileSync(join(testdata, path), "utf8");
const nothing = (path: string): never => {
  throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
};
const statfs = async () => ({ total: 1000, free: 400, available: 300, files: 10, filesFree: 4 });

function metrics(options: Partial<GuestMetricsOptions> = {}): GuestMetrics {
  const fixed = { restarts: 2, launches: () => 7, heapBytes: () => 4_000_000, lag: new EventLoopLag(() => 0) };
  return new GuestMetrics({ readText: captured, statfs, pid: 42, ...fixed, ...options });
}

test("a scrape of captured files equals the golden text", async () => {
  await expect(await metrics().scrape()).toMatchFileSnapshot(join(testdata, "metrics.txt"));
});

test("the scrape counter grows, and the lag appears from the second scrape on", async () => {
  const subject = metrics();
  expect(await subject.scrape()).not.toContain("guestd_event_loop_lag_seconds");
  const second = parseMetrics(await subject.scrape());
  expect(second.get("kata_agent_scrape_count")).toBe(2);
  expect(second.get("guestd_event_loop_lag_seconds")).toBe(0);
  subject.close();
  subject.close();
});

test("series whose files are missing are left out, and nothing is thrown", async () => {
  const subject = new GuestMetrics({ readText: nothing, statfs: nothing, pid: 42, heapBytes: () => 1 });
  expect([...parseMetrics(await subject.scrape()).keys()]).toEqual(["kata_agent_scrape_count", "guestd_heap_bytes"]);
  subject.close();
});

test("without a free descriptor the heap's size is left out", async () => {
  const full = vi.spyOn(process, "memoryUsage").mockImplementation(() => {
    throw new Error("EMFILE");
  });
  const subject = new GuestMetrics({ readText: nothing, statfs: nothing, pid: 42 });
  try {
    expect([...parseMetrics(await subject.scrape()).keys()]).toEqual(["kata_agent_scrape_count"]);
  } finally {
    full.mockRestore();
    subject.close();
  }
});

test("one missing file removes only its own series", async () => {
  const text = await metrics({ readText: (p) => (p === "/proc/vmstat" ? nothing(p) : captured(p)) }).scrape();
  expect(text).not.toContain("kata_guest_vm_stat");
  expect(text).toContain("kata_guest_meminfo");
});

test("values that hosts calculate with have the reference agent's units", async () => {
  const series = parseMetrics(await metrics().scrape());
  const kib = Number(/^MemTotal: +(\d+) kB/m.exec(captured("proc/meminfo"))?.[1]);
  expect(series.get('kata_guest_meminfo{item="mem_total"}')).toBe(kib * 1024);
  const ticks = Number(/^cpu0 (\d+)/m.exec(captured("proc/stat"))?.[1]);
  expect(series.get('kata_guest_cpu_time{cpu="0",item="user"}')).toBe(ticks * 10);
  const rss = Number(/^VmRSS:\s+(\d+) kB/m.exec(captured("proc/42/status"))?.[1]);
  expect(series.get('kata_agent_proc_status{item="vmrss"}')).toBe(rss);
  expect(series.get("kata_agent_total_rss")).toBe(rss * 1024);
  expect(series.get("kata_agent_total_time")).toBe(0.03);
});

test("a scrape has exactly the contract's names, types, labels and items", async () => {
  const found = metricShapes(await metrics().scrape(), "kata_");
  expect(found).toEqual(contractMetrics(captured("/proc/vmstat")));
});

test("the items of vm_stat keep the order of /proc/vmstat", async () => {
  const keys = [...captured("proc/vmstat").matchAll(/^(\w+) /gm)].map(([, key]) => key);
  const items = [...(await metrics().scrape()).matchAll(/^kata_guest_vm_stat\{item="(\w+)"\}/gm)].map(
    ([, item]) => item,
  );
  expect(items).toEqual(keys);
});

test("a scrape of this machine's /proc parses strictly and takes a few milliseconds of processor time", async () => {
  const subject = new GuestMetrics({ readText: realFiles.readText, statfs: realFiles.statfs, pid: process.pid });
  const times: number[] = [];
  for (let count = 0; count < 20; count++) {
    const start = process.threadCpuUsage();
    expect((await subject.scrape()).length).toBeGreaterThan(1000);
    const { user, system } = process.threadCpuUsage(start);
    times.push((user + system) / 1000);
  }
  times.sort((a, b) => a - b);
  expect(parseMetrics(await subject.scrape()).get("kata_agent_scrape_count")).toBe(21);
  subject.close();
  // The aim is 5 ms of processor time; the limit leaves room for a slow test machine.
  expect(times[10]).toBeLessThan(50);
});
