import { DEFAULT_MOUNTS } from "../../lib/oci-defaults.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";

/** Capabilities of a container's process, unless a case gives others. */
const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];
/** The same as the mask in /proc/PID/status. */
export const CAPABILITY_MASK = "00000000000400eb";

/** Returns a process that runs `args`. */
export function ociProcess(args: readonly string[], parts: Init<grpc.Process> = {}): Init<grpc.Process> {
  return { Args: args, Env: ["PATH=/bin"], Cwd: "/", User: { UID: 0, GID: 0 }, ...parts };
}

/** Returns the capability sets that an ordinary process has: the same three for each name. */
export function capabilities(names: readonly string[]): Init<grpc.LinuxCapabilities> {
  return { Bounding: names, Effective: names, Permitted: names };
}

/**
 * The parts of `linux` that every container has. Both hosts remove the pid namespace and say by `sandbox_pidns` whether the agent
 * has to create one.
 */
export const OCI_LINUX: Init<grpc.Linux> = {
  Namespaces: [{ Type: "ipc" }, { Type: "uts" }, { Type: "mount" }],
  MaskedPaths: ["/proc/kcore", "/proc/keys", "/sys/firmware"],
  ReadonlyPaths: ["/proc/bus", "/proc/sys"],
};

/** Returns the spec of a container that runs `args` in `rootfs`, as both hosts write it. `parts` replace whole top-level fields. */
export function ociSpec(rootfs: string, args: readonly string[], parts: Init<grpc.Spec> = {}): Init<grpc.Spec> {
  return {
    Version: "1.2.0",
    Process: ociProcess(args, { Capabilities: capabilities(CAPABILITIES), NoNewPrivileges: true }),
    Root: { Path: rootfs },
    Mounts: DEFAULT_MOUNTS,
    Linux: OCI_LINUX,
    ...parts,
  };
}

/** Returns the ordinary mounts and these after them. */
export function withMounts(...mounts: readonly Init<grpc.Mount>[]): Init<grpc.Spec> {
  return { Mounts: [...DEFAULT_MOUNTS, ...mounts] };
}

/** Returns the ordinary parts of `linux` with these instead. */
export function withLinux(parts: Init<grpc.Linux>): Init<grpc.Spec> {
  return { Linux: { ...OCI_LINUX, ...parts } };
}

/** Returns the parts of a spec for a container with these resources that sees its own cgroup at /sys/fs/cgroup. */
export function withResources(resources: Init<grpc.LinuxResources>, access: "ro" | "rw" = "ro"): Init<grpc.Spec> {
  const cgroup = {
    destination: "/sys/fs/cgroup",
    source: "cgroup",
    type: "cgroup",
    options: ["nosuid", "nodev", access],
  };
  return {
    ...withMounts(cgroup),
    ...withLinux({ Namespaces: [...(OCI_LINUX.Namespaces ?? []), { Type: "cgroup" }], Resources: resources }),
  };
}
