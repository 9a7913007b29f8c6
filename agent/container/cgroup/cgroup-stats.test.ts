import fc from "fast-check";
import { expect, test } from "vitest";
import { hugePageSizes, readCgroupStats, UNLIMITED } from "./cgroup-stats.ts";

const files: Record<string, string> = {
  "cpu.stat":
    "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\ncore_sched.force_idle_usec 0\nnr_periods 10\nnr_throttled 3\nthrottled_usec 25000\nnr_bursts 0\nburst_usec 0\n",
  "memory.current": "368640\n",
  "memory.peak": "851968\n",
  "memory.max": "max\n",
  "memory.swap.current": "4096\n",
  "memory.swap.max": "8192\n",
  "memory.swap.events": "high 0\nmax 4\nfail 0\n",
  "memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n",
  "memory.stat": "anon 102400\nfile 4096\nkernel 106496\nfile_mapped 2048\ninactive_file 1024\n",
  "pids.current": "1\n",
  "pids.max": "100\n",
  "io.stat":
    "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16 rbytes=7 wbytes=0 rios=1 wios=0 dbytes=0 dios=0 cost.usage=5\n7:0 \n",
  "hugetlb.2MB.current": "2097152\n",
  "hugetlb.2MB.events": "max 9\n",
};
const reader = (given: Record<string, string>) => (path: string) => given[path.replace(/^\/cg\//, "")];

test("turns every file into its fields, with times in nanoseconds", () => {
  const io = { wbytes: 0, wios: 0, dbytes: 0, dios: 0 };
  expect(readCgroupStats(reader(files), "/cg", ["2MB", "1GB"])).toEqual({
    cpu: {
      usage: 1_500_000_000,
      user: 1_000_000_000,
      system: 500_000_000,
      throttling: { periods: 10, throttledPeriods: 3, throttledTime: 25_000_000 },
    },
    memory: {
      usage: 368640,
      peak: 851968,
      limit: UNLIMITED,
      limitHits: 7,
      oomKills: 1,
      swap: { usage: 4096, limit: 8192, limitHits: 4 },
      stat: { anon: 102400, file: 4096, kernel: 106496, file_mapped: 2048, inactive_file: 1024 },
    },
    pids: { current: 1, limit: 100 },
    io: [
      { major: 254, minor: 0, rbytes: 1, wbytes: 2, rios: 3, wios: 4, dbytes: 5, dios: 6 },
      { major: 8, minor: 16, rbytes: 7, rios: 1, ...io },
      { major: 7, minor: 0, rbytes: 0, rios: 0, ...io },
    ],
    hugetlb: { "2MB": { usage: 2097152, failures: 9 } },
  });
});

test("omits the fields of missing controllers", () => {
  expect(readCgroupStats(() => undefined, "/cg", ["2MB"])).toEqual({ hugetlb: {} });
  const bare = { "cpu.stat": "usage_usec 1\nuser_usec 1\nsystem_usec 0\n" };
  expect(readCgroupStats(reader(bare), "/cg")).toEqual({ cpu: { usage: 1000, user: 1000, system: 0 }, hugetlb: {} });
});

test("reports no limit as the page below 2^63", () => {
  expect(BigInt(UNLIMITED)).toBe(9223372036854771712n);
  const huge = readCgroupStats(reader({ "pids.current": "1", "pids.max": "18446744073709551615" }), "/cg");
  expect(huge.pids?.limit).toBe(UNLIMITED);
});

test("names huge page sizes as in cgroup file names", () => {
  const names = [64, 512, 1024, 2048, 1_048_576].map((kib) => `hugepages-${kib}kB`);
  const others = ["other", "my-hugepages-64kB", "hugepages-64kB-old", "hugepages-kB"];
  expect(hugePageSizes([...names, ...others])).toEqual(["64KB", "512KB", "1MB", "2MB", "1GB"]);
});

test("never throws and returns only finite numbers, whatever the files contain", () => {
  const names = Object.keys(files);
  const text = fc.oneof(fc.string(), fc.stringMatching(/^([a-z:0-9]+ [0-9a-z=]* ?\n?)*$/));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), text), (given) => {
      const json = JSON.stringify(readCgroupStats(reader(given), "/cg", ["2MB"]));
      expect(json).not.toContain("null");
    }),
  );
});
