import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { kernelLacks } from "./kernel-lacks.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const MIB = 1 << 20;

/** Returns the parts of a spec for a container with these resources that sees its own cgroup at /sys/fs/cgroup. */
export function withResources(Resources: Init<grpc.LinuxResources>): Init<grpc.Spec> {
  const { Linux, Mounts } = ociSpec("/", []);
  const options = ["nosuid", "noexec", "nodev", "rw"];
  return {
    Linux: { ...Linux, Namespaces: [...(Linux?.Namespaces ?? []), { Type: "cgroup" }], Resources },
    Mounts: [...(Mounts ?? []), { destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options }],
  };
}

/** Returns the guest's first disk; `name` is written as in cgroup files. */
export async function disk(
  pod: Pod,
): Promise<{ readonly Major: number; readonly Minor: number; readonly name: string }> {
  const name = (await pod.machine.shell("cat /sys/block/*/dev | head -n 1")).trim();
  const [Major = 0, Minor = 0] = name.split(":").map(Number);
  return { Major, Minor, name };
}

/** Scenarios of `linux.resources`, read from the container's own cgroup files. In a guest only. */
export function resourceScenarios(pod: () => Pod): void {
  const files = async (names: string, resources: Init<grpc.LinuxResources>): Promise<string> => {
    const line = `cd /sys/fs/cgroup; for f in ${names}; do echo $f $(cat $f); done`;
    const { stdout, stderr } = await pod().run(["sh", "-c", line], withResources(resources));
    return stdout.toString() + stderr.toString();
  };
  const refusal = (resources: Init<grpc.LinuxResources>) =>
    expect(pod().create(["true"], withResources(resources))).rejects;

  it("memory: limit, reservation and the files of unified are set", async () => {
    const Unified = { "memory.high": String(40 * MIB), "memory.min": "4096", "memory.oom.group": "1" };
    const Memory = { Limit: 64 * MIB, Reservation: 32 * MIB, Swap: -1 };
    expect(await files("memory.max memory.low memory.high memory.min memory.oom.group", { Memory, Unified })).toBe(
      `memory.max ${64 * MIB}\nmemory.low ${32 * MIB}\nmemory.high ${40 * MIB}\nmemory.min 4096\nmemory.oom.group 1\n`,
    );
  });

  it("memory: swap counts memory and swap together", async () => {
    const swap = await pod().machine.shell("ls /sys/fs/cgroup/guestd/memory.swap.max 2>/dev/null || echo none");
    const create = files("memory.swap.max", { Memory: { Limit: 64 * MIB, Swap: 96 * MIB } });
    if (swap === "none\n")
      await expect(create).rejects.toThrow(/set memory.swap.max .*: the guest's kernel has no such/);
    else expect(await create).toBe(`memory.swap.max ${32 * MIB}\n`);
  });

  it("cpu: weight, quota with burst, and placement are set", async () => {
    const CPU = { Shares: 512, Quota: 20_000, Period: 50_000, Burst: 10_000, Cpus: "0", Mems: "0" };
    expect(await files("cpu.weight cpu.max cpu.max.burst cpuset.cpus cpuset.mems", { CPU })).toBe(
      "cpu.weight 59\ncpu.max 20000 50000\ncpu.max.burst 10000\ncpuset.cpus 0\ncpuset.mems 0\n",
    );
    expect(await files("cpu.idle", { CPU: { Idle: 1, Shares: 512 } })).toBe("cpu.idle 1\n");
  });

  it("processors, nodes and page sizes that the guest lacks are left out, and the rest is set", async () => {
    const pages = ["512MB", "3MB", "2MB"].map((Pagesize) => ({ Pagesize, Limit: Pagesize === "3MB" ? 1 : 0 }));
    const CPU = { Cpus: "4095", Mems: "1023", Shares: 512 };
    expect(await files("cpuset.cpus cpuset.mems cpu.weight hugetlb.2MB.max", { CPU, HugepageLimits: pages })).toBe(
      "cpuset.cpus\ncpuset.mems\ncpu.weight 59\nhugetlb.2MB.max 0\n",
    );
  });

  it("pids and huge pages are limited", async () => {
    const resources = { Pids: { Limit: 33 }, HugepageLimits: [{ Pagesize: "2MB", Limit: 4 * MIB }] };
    expect(await files("pids.max hugetlb.2MB.max hugetlb.2MB.rsvd.max", resources)).toBe(
      `pids.max 33\nhugetlb.2MB.max ${4 * MIB}\nhugetlb.2MB.rsvd.max ${4 * MIB}\n`,
    );
  });

  it("block I/O: all four throttles of a disk are set", async () => {
    const { Major, Minor, name } = await disk(pod());
    const rate = (Rate: number) => [{ Major, Minor, Rate }];
    const BlockIO = {
      ThrottleReadBpsDevice: rate(MIB),
      ThrottleWriteBpsDevice: rate(2 * MIB),
      ThrottleReadIOPSDevice: rate(40),
      ThrottleWriteIOPSDevice: rate(50),
    };
    expect(await files("io.max", { BlockIO })).toBe(`io.max ${name} rbps=${MIB} wbps=${2 * MIB} riops=40 wiops=50\n`);
    const some = { ...BlockIO, ThrottleReadBpsDevice: rate(0), ThrottleReadIOPSDevice: rate(0) };
    expect(await files("io.max", { BlockIO: some })).toBe(
      `io.max ${name} rbps=max wbps=${2 * MIB} riops=max wiops=50\n`,
    );
  });

  it("block I/O: a throttle slows reads from its disk", async () => {
    const { Major, Minor } = await disk(pod());
    const parts = withResources({ BlockIO: { ThrottleReadBpsDevice: [{ Major, Minor, Rate: MIB / 4 }] } });
    const Linux = { ...parts.Linux, Devices: [{ Path: "/dev/disk", Type: "b", Major, Minor }] };
    const time = "cut -d' ' -f1 /proc/uptime";
    const line = `${time}; dd if=/dev/disk of=/dev/null bs=64k count=8 iflag=direct 2>&1; ${time}`;
    const { stdout } = await pod().run(["sh", "-c", line], { ...parts, Linux });
    const [from, read, , to] = stdout.toString().split("\n");
    expect(read).toBe("8+0 records in");
    // 512 KiB at 256 KiB per second; the first part passes at once.
    expect(Number(to) - Number(from)).toBeGreaterThan(1.2);
  });

  it("block I/O: weights are set, also for a disk, if the kernel has weights", async (context) => {
    const { Major, Minor, name } = await disk(pod());
    const weights = await pod().machine.shell("ls /sys/fs/cgroup/guestd/ | grep -E '^io.(bfq.)?weight' || echo none");
    const BlockIO = { Weight: 1000, WeightDevice: [{ Major, Minor, Weight: 500 }] };
    if (weights === "none\n") {
      await refusal({ BlockIO: { Weight: 1000 } }).toThrow(/^set io.weight of cgroup \S+: the guest's kernel has no/);
      kernelLacks(context, pod().machine, "the kernel has no weights; that they are refused was shown");
    }
    if (weights !== "io.weight\n") kernelLacks(context, pod().machine, `the kernel has ${weights.trim()}`);
    await refusal({ BlockIO }).toThrow(
      /^write \S+\/io.weight "\S+ \d+": \S+ .*, from linux.resources.blockIO.weightDevice$/,
    );
    await pod().machine.shell(`echo ${name} enable=1 > /sys/fs/cgroup/io.cost.qos`);
    expect(await files("io.weight", { BlockIO })).toBe(`io.weight default 10000 ${name} 4950\n`);
    await pod().machine.shell(`echo ${name} enable=0 > /sys/fs/cgroup/io.cost.qos`);
  });

  it("rdma: a limit reaches the kernel, which has no such device here", async () => {
    const none = (limits: Init<grpc.LinuxRdma>) => refusal({ Rdma: { mlx5_0: limits } });
    await none({ HcaHandles: 2, HcaObjects: 3 }).toThrow(
      /^write \S+\/rdma.max "mlx5_0 hca_handle=2 hca_object=3": .*, from linux.resources.rdma.mlx5_0$/,
    );
    await none({}).toThrow("OCI spec: linux.resources.rdma.mlx5_0 has neither hcaHandles nor hcaObjects");
  });

  it("a file of unified that is no limit, or that leads out, is refused by name", async () => {
    for (const file of ["cgroup.procs", "../memory.max", "cgroup.freeze"]) {
      await refusal({ Unified: { [file]: "1" } }).toThrow(`OCI spec: linux.resources.unified "${file}" is no`);
    }
    await refusal({ Unified: { "memory.current": "1" } }).toThrow(/^write \S+\/memory.current "1": /);
    await refusal({ Unified: { "hugh.max": "1" } }).toThrow(/: the hugh controller is not available there/);
  });
}
