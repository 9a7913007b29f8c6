import { copyFileSync } from "node:fs";
import { expect, it } from "vitest";
import { buildProbe } from "./build-probe.ts";
import type { Pod } from "./pod.ts";
import { withResources } from "./resources.ts";

const MIB = 1 << 20;
/** What hosts with cgroup v1 look up, beside all of memory.stat. */
const OF_V1 = [
  ...["cache", "rss", "mapped_file"],
  ...["total_cache", "total_rss", "total_mapped_file", "total_inactive_file"],
];

/** StatsContainer in full. In a real guest only. */
export function statisticsScenarios(pod: () => Pod): void {
  const stats = async (container_id: string) => {
    const { cgroup_stats, network_stats } = await pod().client.agent.statsContainer({ container_id });
    const { cpu_stats, memory_stats, pids_stats, hugetlb_stats } = cgroup_stats ?? {};
    return { cpu_stats, memory_stats, pids_stats, hugetlb_stats, network_stats };
  };

  it("cpu with throttling, memory whole, tasks with their limit, huge pages by size", async () => {
    const resources = { CPU: { Quota: 2000, Period: 20_000 }, Memory: { Limit: 64 * MIB }, Pids: { Limit: 44 } };
    const id = await pod().start(["sh", "-c", "while :; do :; done"], withResources(resources));
    await pod().execute(id, ["sleep", "1"]);
    const { cpu_stats, memory_stats, pids_stats, hugetlb_stats } = await stats(id);
    expect(cpu_stats?.throttling_data?.periods).toBeGreaterThan(5);
    expect(cpu_stats?.throttling_data?.throttled_periods).toBeGreaterThan(5);
    expect(cpu_stats?.throttling_data?.throttled_time).toBeGreaterThan(50_000_000);
    expect(cpu_stats?.cpu_usage?.total_usage).toBeGreaterThan(20_000_000);
    expect(cpu_stats?.cpu_usage?.percpu_usage).toEqual([]);
    expect(memory_stats?.usage).toMatchObject({ limit: 64 * MIB, failcnt: 0 });
    expect(memory_stats?.kernel_usage?.usage).toBeGreaterThan(0);
    const { stdout } = await pod().execute(id, ["cut", "-d", " ", "-f1", "/sys/fs/cgroup/memory.stat"]);
    const names = stdout.toString().trim().split("\n");
    expect(names).toEqual(expect.arrayContaining(["anon", "file", "pgfault", "slab"]));
    expect(Object.keys(memory_stats?.stats ?? {}).toSorted()).toEqual([...names, ...OF_V1].toSorted());
    expect(pids_stats).toEqual({ current: 1, limit: 44 });
    expect(Object.keys(hugetlb_stats ?? {})).toContain("2MB");
    await pod().remove(id);
  });

  it("huge pages: those that a process holds, and how often the limit was met", async () => {
    const { machine, client } = pod();
    const free = (pages: number) => machine.shell(`echo ${pages} > /proc/sys/vm/nr_hugepages`);
    await free(4);
    const rootfs = machine.rootfs(`huge-${Date.now().toString(36)}`);
    copyFileSync(buildProbe(), `${machine.hostPath(rootfs)}/bin/probe`);
    const resources = { HugepageLimits: [{ Pagesize: "2MB", Limit: 4 * MIB }] };
    const id = await pod().start(["sleep", "1000"], { ...withResources(resources), Root: { Path: rootfs } });
    const of2mib = async () => (await stats(id)).hugetlb_stats?.["2MB"];
    expect(await of2mib()).toMatchObject({ usage: 0, failcnt: 0 });
    const exec_id = await pod().exec(id, ["probe", "huge", "4", "2"]);
    const { data } = await client.agent.readStdout({ container_id: id, exec_id, len: 100 });
    expect(Buffer.from(data).toString()).toBe("4 ok\n2 12\n"); // ENOMEM
    expect(await of2mib()).toMatchObject({ usage: 4 * MIB, failcnt: 1 });
    await client.agent.signalProcess({ container_id: id, exec_id, signal: 9 });
    await pod().finish(id, exec_id);
    expect(await of2mib()).toMatchObject({ usage: 0, failcnt: 1 });
    await pod().remove(id);
    await free(0);
  });

  it("block I/O: bytes and requests of a disk that was read, as slow as its limit says", async () => {
    const disk = (await pod().machine.shell("cat /sys/block/*/dev | head -n 1")).trim();
    const [Major = 0, Minor = 0] = disk.split(":").map(Number);
    const BlockIO = { ThrottleReadBpsDevice: [{ Major, Minor, Rate: 2 * MIB }] };
    const { Linux, Mounts } = withResources({ BlockIO });
    const Devices = [{ Path: "/dev/disk", Type: "b", Major, Minor }];
    const line = "dd if=/dev/disk of=/dev/null bs=64k count=64 iflag=direct";
    const id = await pod().start(["sleep", "1000"], { Linux: { ...Linux, Devices }, Mounts: Mounts ?? [] });
    const start = performance.now();
    // Past the page cache; a disk with DAX is read without the block layer else.
    const { status, stderr } = await pod().execute(id, ["sh", "-c", line]);
    expect([status, stderr.toString()]).toEqual([0, expect.stringContaining("64+0 records in")]);
    expect(performance.now() - start).toBeGreaterThan(1000);
    const { cgroup_stats } = await pod().client.agent.statsContainer({ container_id: id });
    const { io_service_bytes_recursive: bytes = [], io_serviced_recursive: requests = [] } =
      cgroup_stats?.blkio_stats ?? {};
    const value = (list: typeof bytes, name: string) =>
      list.find(({ major, minor, op }) => major === Major && minor === Minor && op === name)?.value;
    expect(value(bytes, "read")).toBeGreaterThanOrEqual(4 * MIB);
    expect(value(requests, "read")).toBeGreaterThan(0);
    expect(value(bytes, "rios")).toBe(value(requests, "read"));
    await pod().remove(id);
  });

  it("memory.failcnt counts how often the limit was met", async () => {
    const id = await pod().start(["sleep", "1000"], withResources({ Memory: { Limit: 24 * MIB } }));
    await pod().execute(id, ["sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=40 2>/dev/null"]);
    expect((await stats(id)).memory_stats?.usage?.failcnt).toBeGreaterThan(0);
    await pod().client.agent.getOOMEvent({}, { timeoutMs: 60_000 });
    await pod().remove(id);
  });

  it("a container that has ended still has counters, and one whose cgroup was taken away has none", async () => {
    const id = await pod().start(["true"], withResources({}));
    await pod().client.agent.waitProcess({ container_id: id, exec_id: id });
    expect((await stats(id)).cpu_stats?.cpu_usage?.total_usage).toBeGreaterThan(0);
    await pod().machine.shell(`rmdir /sys/fs/cgroup/containers/${id}`);
    expect(await stats(id)).toMatchObject({ cpu_stats: null, memory_stats: null, network_stats: [] });
    await pod().remove(id);
  });
}
