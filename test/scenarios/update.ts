import { expect, it } from "vitest";
import { memoryBounds } from "../../agent/container/cgroup/memory-bounds.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { guestMemory } from "./guest-memory.ts";
import type { Pod } from "./pod.ts";
import { disk, withResources } from "./resources.ts";

const MIB = 1 << 20;

/** UpdateContainer, as the container's own cgroup files have it. In a real guest only. */
export function updateScenarios(pod: () => Pod): void {
  const start = (resources: Init<grpc.LinuxResources>) => pod().start(["sleep", "1000"], withResources(resources));
  const update = (container_id: string, resources: Init<grpc.LinuxResources> | null) =>
    pod().client.agent.updateContainer({ container_id, resources });
  const files = async (id: string, names: string) => {
    const line = `cd /sys/fs/cgroup; for f in ${names}; do echo $f $(cat $f); done`;
    return (await pod().execute(id, ["sh", "-c", line])).stdout.toString();
  };

  it("writes what is given and leaves the rest", async () => {
    const id = await start({
      Memory: { Limit: 64 * MIB },
      CPU: { Quota: 20_000, Period: 50_000 },
      Pids: { Limit: 40 },
    });
    await update(id, null);
    await update(id, { Memory: { Limit: 96 * MIB }, CPU: { Quota: 30_000 } });
    await update(id, { CPU: { Period: 60_000, Shares: 2048 }, Unified: { "memory.high": String(80 * MIB) } });
    expect(await files(id, "memory.max memory.high cpu.max cpu.weight pids.max")).toBe(
      `memory.max ${96 * MIB}\nmemory.high ${80 * MIB}\ncpu.max 30000 60000\ncpu.weight 174\npids.max 40\n`,
    );
    await update(id, { Memory: { Limit: -1 }, CPU: { Quota: -1 }, Pids: { Limit: -1 } });
    const all = Number(await pod().machine.shell("cat /sys/fs/cgroup/containers/memory.max"));
    const { one } = memoryBounds(await guestMemory(pod().machine));
    expect(one).toBeLessThan(all);
    const unlimited = `memory.max ${one}\ncpu.max max 60000\npids.max max\n`;
    expect(await files(id, "memory.max cpu.max pids.max")).toBe(unlimited);
    await pod().remove(id);
  });

  it("cpuset, throttles of a disk and huge pages", async () => {
    const { Major, Minor, name } = await disk(pod());
    const rate = (Rate: number) => [{ Major, Minor, Rate }];
    const id = await start({
      BlockIO: { ThrottleReadBpsDevice: rate(MIB) },
      HugepageLimits: [{ Pagesize: "2MB", Limit: 4 * MIB }],
    });
    const names = "cpuset.cpus cpuset.mems io.max hugetlb.2MB.max hugetlb.2MB.rsvd.max";
    expect(await files(id, names)).toBe(
      `cpuset.cpus\ncpuset.mems\nio.max ${name} rbps=${MIB} wbps=max riops=max wiops=max\n` +
        `hugetlb.2MB.max ${4 * MIB}\nhugetlb.2MB.rsvd.max ${4 * MIB}\n`,
    );
    await update(id, {
      CPU: { Cpus: "0", Mems: "0" },
      BlockIO: { ThrottleReadBpsDevice: rate(2 * MIB), ThrottleWriteIOPSDevice: rate(70) },
      HugepageLimits: [{ Pagesize: "2MB", Limit: 8 * MIB }],
    });
    expect(await files(id, names)).toBe(
      `cpuset.cpus 0\ncpuset.mems 0\nio.max ${name} rbps=${2 * MIB} wbps=max riops=max wiops=70\n` +
        `hugetlb.2MB.max ${8 * MIB}\nhugetlb.2MB.rsvd.max ${8 * MIB}\n`,
    );
    await update(id, { BlockIO: { ThrottleReadBpsDevice: rate(0), ThrottleWriteIOPSDevice: rate(0) } });
    expect(await files(id, "io.max cpuset.cpus")).toBe("io.max\ncpuset.cpus 0\n");
    const foreign = [{ Pagesize: "512MB", Limit: 0 }];
    await update(id, { CPU: { Cpus: "4095", Mems: "1023" }, HugepageLimits: foreign, Pids: { Limit: 9 } });
    expect(await files(id, "cpuset.cpus cpuset.mems pids.max")).toBe("cpuset.cpus 0\ncpuset.mems 0\npids.max 9\n");
    await pod().remove(id);
  });

  it("changes nothing when a field can't be, and says which were when the kernel refuses one", async () => {
    const id = await start({ Pids: { Limit: 40 }, CPU: { Shares: 1024 } });
    await expect(update(id, { Pids: { Limit: 50 }, Memory: { Limit: -9 } })).rejects.toMatchObject({ code: 3 });
    await expect(update(id, { Pids: { Limit: 50 }, Memory: { Swappiness: 9 } })).rejects.toMatchObject({
      code: 3,
      message: expect.stringMatching(/linux.resources.memory.swappiness is not supported$/),
    });
    expect(await files(id, "pids.max")).toBe("pids.max 40\n");
    await expect(
      update(id, { CPU: { Shares: 512 }, Unified: { "memory.high": "x" }, Pids: { Limit: 50 } }),
    ).rejects.toThrow(
      /memory.high "x": EINVAL .*, from linux.resources.unified\["memory.high"\]; written before it: cpu.weight, pids.max; not written: memory.high$/,
    );
    await expect(update("no-such", {})).rejects.toMatchObject({ code: 3 });
    await pod().remove(id);
  });

  it("checkBeforeUpdate refuses a limit below what is in use", async () => {
    const id = await start({ Memory: { Limit: 64 * MIB } });
    const tight = { Memory: { Limit: 4096, CheckBeforeUpdate: true } };
    await expect(update(id, tight)).rejects.toThrow(/linux.resources.memory.limit 4096 is not above the \d+ in use/);
    expect(await files(id, "memory.max")).toBe(`memory.max ${64 * MIB}\n`);
    await pod().remove(id);
  });
}
