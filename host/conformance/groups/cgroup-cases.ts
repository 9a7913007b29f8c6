import type { ConformanceCase } from "../case.ts";
import { equal, holds, matches } from "../check.ts";
import { withLinux, withResources } from "../oci-spec.ts";

const LINUX = "OCI runtime spec, linux";

/** Cases of cgroups and their paths. */
export const cgroupCases: readonly ConformanceCase[] = [
  {
    name: "CreateContainer: an empty cgroups path is accepted",
    level: "must",
    source: "ctr run; the container's id is the path",
    run: async (context) => equal(await context.print("echo on", withLinux({ CgroupsPath: "" })), "on\n", "the output"),
  },
  {
    name: "CreateContainer: a cgroups path of the host is accepted",
    level: "must",
    source: `${LINUX}.cgroupsPath; Go shim passes it on`,
    run: async (context) => {
      const CgroupsPath = `/kubepods/burstable/pod-conf/${context.fresh()}`;
      equal(await context.print("echo on", withLinux({ CgroupsPath })), "on\n", "the output");
    },
  },
  {
    name: "CreateContainer: a cgroups path of the host applies",
    level: "should",
    source: `${LINUX}.cgroupsPath; below the agent's own directory`,
    run: async (context) => {
      const name = context.fresh();
      await context.sleeper(withLinux({ CgroupsPath: `/kubepods/pod-conf/${name}` }));
      // Other directories may vanish meanwhile, which find reports.
      const line = `find /guest -type d -path '*/kubepods/pod-conf/${name}' 2>/dev/null | wc -l`;
      const count = Number(await context.lookAt("/sys/fs/cgroup", line));
      holds(count > 0, "a directory below /sys/fs/cgroup of the guest has the path", count);
    },
  },
  {
    name: "CreateContainer: a cgroups path for systemd is accepted",
    level: "should",
    source: "kubelet with the systemd driver; slice:prefix:name. The reference asks systemd, which not every guest has",
    run: async (context) => {
      const CgroupsPath = `kubepods-besteffort.slice:cri-containerd:${context.fresh()}`;
      equal(await context.print("echo on", withLinux({ CgroupsPath })), "on\n", "the output");
    },
  },
  {
    name: "CreateContainer: a container with a cgroup namespace sees its cgroup as the root",
    level: "should",
    source: "cgroup_namespaces(7)",
    run: async (context) => {
      const text = await context.print("cat /proc/self/cgroup", withResources({}));
      holds(
        text
          .trim()
          .split("\n")
          .every((line) => /:\/$/.test(line)),
        "every path is /",
        text,
      );
    },
  },
  {
    name: "CreateContainer: limits for which the kernel has no controller don't stop a container",
    level: "should",
    source: "hosts send the limits of their own kernel",
    run: async (context) => {
      const Resources = { HugepageLimits: [{ Pagesize: "512MB", Limit: 0 }] };
      equal(await context.print("echo on", withLinux({ Resources })), "on\n", "the output");
    },
  },
  {
    name: "CreateContainer: CPU shares, quota and period are accepted",
    level: "must",
    source: "Kubernetes, CPU requests and limits",
    needs: ["memory-limits"],
    run: async (context) => {
      const CPU = { Shares: 1024, Quota: 50_000, Period: 100_000 };
      const line = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us";
      matches(await context.print(line, withResources({ CPU })), /^50000( 100000)?\n$/, "the quota");
    },
  },
];
