import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";

/** Returns the spec of a container that runs `args` in `rootfs`, as a Kata host writes it. */
export function ociSpec(rootfs: string, args: readonly string[], parts: Init<grpc.Spec> = {}): Init<grpc.Spec> {
  const caps = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
  ];
  return {
    Version: "1.2.0",
    Process: {
      Args: args,
      Env: ["PATH=/bin"],
      Cwd: "/",
      Capabilities: { Bounding: caps, Effective: caps, Permitted: caps },
      NoNewPrivileges: true,
    },
    Root: { Path: rootfs },
    Mounts: [
      { destination: "/proc", source: "proc", type: "proc", options: ["nosuid", "noexec", "nodev"] },
      {
        destination: "/dev",
        source: "tmpfs",
        type: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
      },
      {
        destination: "/dev/pts",
        source: "devpts",
        type: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
      },
      { destination: "/dev/shm", source: "shm", type: "tmpfs", options: ["nosuid", "noexec", "nodev", "mode=1777"] },
      { destination: "/dev/mqueue", source: "mqueue", type: "mqueue", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/sys", source: "sysfs", type: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    ],
    Linux: {
      Namespaces: [{ Type: "ipc" }, { Type: "uts" }, { Type: "mount" }, { Type: "pid" }],
      MaskedPaths: ["/proc/kcore", "/proc/keys", "/sys/firmware"],
      ReadonlyPaths: ["/proc/bus", "/proc/sys"],
    },
    ...parts,
  };
}
