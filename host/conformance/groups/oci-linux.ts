import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { CaseGroup, ConformanceCase } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, holds, matches, refused } from "../check.ts";
import { OCI_LINUX, withLinux } from "../oci-spec.ts";
import { cgroupCases } from "./cgroup-cases.ts";

const LINUX = "OCI runtime spec, linux";

/** Returns a case in which a container has its own namespace of a kind, unlike another container. */
function ownNamespace(
  type: string,
  link: string,
  level: ConformanceCase["level"],
  source = `${LINUX}.namespaces`,
): ConformanceCase {
  return {
    name: `CreateContainer: a container has its own ${type} namespace`,
    level,
    source,
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

/** Returns the parts of a spec whose seccomp filter refuses mkdir. Ends the case if the agent doesn't support filters. */
async function withoutMkdir(context: CaseContext): Promise<Init<grpc.Spec>> {
  const { agent_details } = await context.agent.getGuestDetails({});
  if (agent_details?.supports_seccomp !== true) context.skip("the agent reports no support for seccomp");
  const Syscalls = [{ Names: ["mkdir", "mkdirat"], Action: "SCMP_ACT_ERRNO" }];
  return withLinux({ Seccomp: { DefaultAction: "SCMP_ACT_ALLOW", Syscalls } });
}

export const ociLinux: CaseGroup = {
  name: "oci-linux",
  title: "OCI fields of namespaces, devices, seccomp and cgroups",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    ownNamespace("pid", "pid", "may", "guestd; both hosts remove it from the list, and the reference adds its own"),
    ownNamespace("mount", "mnt", "must"),
    ownNamespace("network", "net", "should"),
    ownNamespace("cgroup", "cgroup", "should"),
    {
      name: "CreateContainer: the namespace type mnt is accepted for mount",
      level: "must",
      source: "runtime-rs sends mnt",
      run: async (context) => {
        const Namespaces = [{ Type: "ipc" }, { Type: "uts" }, { Type: "mnt" }];
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
        const text = await context.print("mkdir /tmp/conf-x 2>&1 | sed 's/.*: //'", await withoutMkdir(context));
        equal(text, "Operation not permitted\n", "the error of mkdir");
      },
    },
    {
      name: "ExecProcess: the container's seccomp filter applies to an exec",
      level: "should",
      source: `${LINUX}.seccomp`,
      run: async (context) => {
        const id = await context.sleeper(await withoutMkdir(context));
        const { stdout } = await context.execute(id, "mkdir /tmp/conf-y 2>&1 | sed 's/.*: //'");
        equal(stdout, "Operation not permitted\n", "the error of mkdir");
      },
    },
    ...cgroupCases,
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
