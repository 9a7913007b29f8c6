import type { CaseGroup, ConformanceCase } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";
import { OCI_LINUX, withLinux, withResources } from "../oci-spec.ts";

const LINUX = "OCI runtime spec, linux";

/** Returns a case in which a container has its own namespace of a kind, unlike another container. */
function ownNamespace(type: string, link: string, level: ConformanceCase["level"]): ConformanceCase {
  return {
    name: `CreateContainer: a container has its own ${type} namespace`,
    level,
    source: `${LINUX}.namespaces`,
    run: async (context) => {
      const others = (OCI_LINUX.Namespaces ?? []).filter((one) => one.Type !== type);
      const parts = withLinux({ Namespaces: [...others, { Type: type }] });
      const read = async () => {
        const id = await context.sleeper(parts);
        const { stdout } = await context.execute(id, `readlink /proc/1/ns/${link}`);
        matches(stdout, /^\w+:\[\d+\]\n$/, "the namespace");
        return stdout;
      };
      const [one, two] = [await read(), await read()];
      holds(one !== two, `the ${type} namespaces of two containers differ`, [one, two]);
    },
  };
}

export const ociLinux: CaseGroup = {
  name: "oci-linux",
  title: "OCI fields of namespaces, devices, seccomp and cgroups",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    ownNamespace("pid", "pid", "must"),
    ownNamespace("mount", "mnt", "must"),
    ownNamespace("network", "net", "should"),
    ownNamespace("cgroup", "cgroup", "should"),
    {
      name: "CreateContainer: the namespace type mnt is accepted for mount",
      level: "must",
      source: "runtime-rs sends mnt",
      run: async (context) => {
        const Namespaces = [{ Type: "ipc" }, { Type: "uts" }, { Type: "mnt" }, { Type: "pid" }];
        equal(await context.print("echo on", withLinux({ Namespaces })), "on\n", "the output");
      },
    },
    {
      name: "CreateContainer: a device is created with its number and mode",
      level: "must",
      source: `${LINUX}.devices`,
      run: async (context) => {
        const device = { Path: "/dev/conf", Type: "c", Major: 1, Minor: 5, FileMode: 0o640, UID: 3, GID: 4 };
        const allow = { Allow: true, Type: "c", Major: 1, Minor: 5, Access: "rwm" };
        const parts = withLinux({ Devices: [device], Resources: { Devices: [allow] } });
        const text = await context.print("stat -c '%F %t:%T %a %u:%g' /dev/conf", parts);
        equal(text, "character special file 1:5 640 3:4\n", "the device");
      },
    },
    {
      name: "CreateContainer: a seccomp filter applies",
      level: "should",
      source: `${LINUX}.seccomp`,
      run: async (context) => {
        const { agent_details } = await context.agent.getGuestDetails({});
        if (agent_details?.supports_seccomp !== true) context.skip("the agent reports no support for seccomp");
        const Seccomp = {
          DefaultAction: "SCMP_ACT_ALLOW",
          Syscalls: [{ Names: ["mkdir", "mkdirat"], Action: "SCMP_ACT_ERRNO" }],
        };
        const text = await context.print("mkdir /tmp/conf-x 2>&1 | sed 's/.*: //'", withLinux({ Seccomp }));
        equal(text, "Operation not permitted\n", "the error of mkdir");
      },
    },
    {
      name: "ExecProcess: the container's seccomp filter applies to an exec",
      level: "should",
      source: `${LINUX}.seccomp`,
      run: async (context) => {
        const { agent_details } = await context.agent.getGuestDetails({});
        if (agent_details?.supports_seccomp !== true) context.skip("the agent reports no support for seccomp");
        const Seccomp = {
          DefaultAction: "SCMP_ACT_ALLOW",
          Syscalls: [{ Names: ["mkdir", "mkdirat"], Action: "SCMP_ACT_ERRNO" }],
        };
        const id = await context.sleeper(withLinux({ Seccomp }));
        const { stdout } = await context.execute(id, "mkdir /tmp/conf-y 2>&1 | sed 's/.*: //'");
        equal(stdout, "Operation not permitted\n", "the error of mkdir");
      },
    },
    {
      name: "CreateContainer: an empty cgroups path is accepted",
      level: "must",
      source: "ctr run; the container's id is the path",
      run: async (context) =>
        equal(await context.print("echo on", withLinux({ CgroupsPath: "" })), "on\n", "the output"),
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
      level: "must",
      source: "kubelet with the systemd driver; slice:prefix:name",
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
    {
      name: "CreateContainer: startContainer hooks of the spec may be empty",
      level: "must",
      source: "runtime-rs sends hooks without entries",
      run: async (context) => equal(await context.print("echo on", { Hooks: {} }), "on\n", "the output"),
    },
    {
      name: "CreateContainer: annotations of the hosts are accepted",
      level: "must",
      source: "runtime-rs, container type and bundle path",
      run: async (context) => {
        const Annotations = {
          "io.katacontainers.pkg.oci.container_type": "pod_container",
          "io.katacontainers.pkg.oci.bundle_path": "/run/containerd/io.containerd.runtime.v2.task/k8s.io/x",
          "io.kubernetes.cri.container-type": "container",
        };
        equal(await context.print("echo on", { Annotations }), "on\n", "the output");
      },
    },
    {
      name: "CreateContainer: user namespaces map ids",
      level: "may",
      source: `${LINUX}.uidMappings; niche in the reference`,
      run: async (context) => {
        const map = [{ ContainerID: 0, HostID: 0, Size: 65_536 }];
        const Namespaces = [...(OCI_LINUX.Namespaces ?? []), { Type: "user" }];
        const parts = withLinux({ Namespaces, UIDMappings: map, GIDMappings: map });
        const text = await context.print("tr -s ' ' < /proc/self/uid_map; id -u", parts);
        equal(text, " 0 0 65536\n0\n", "the map and the uid");
      },
    },
    {
      name: "CreateContainer: time offsets apply",
      level: "may",
      source: `${LINUX}.timeOffsets; not in the contract of the reference`,
      run: async (context) => {
        const parts = withLinux({
          Namespaces: [...(OCI_LINUX.Namespaces ?? []), { Type: "time" }],
          TimeOffsets: { boottime: { Secs: 100_000_000 } },
        });
        const uptime = Number(await context.print("cut -d. -f1 /proc/uptime", parts));
        holds(uptime > 100_000_000, "the uptime includes the offset", uptime);
      },
    },
    {
      name: "CreateContainer: an unsupported memory field is refused by its name",
      level: "may",
      source: "guestd: no setting is lost in silence",
      run: (context) =>
        refused(context.print("true", withLinux({ Resources: { Memory: { Swappiness: 60 } } })), {
          codes: ["invalid-argument"],
          text: /memory\.swappiness/,
        }),
    },
  ],
};
