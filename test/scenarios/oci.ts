import { DEFAULT_MOUNTS } from "../../lib/oci-defaults.ts";
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
    Mounts: DEFAULT_MOUNTS,
    Linux: {
      Namespaces: [{ Type: "ipc" }, { Type: "uts" }, { Type: "mount" }, { Type: "pid" }],
      MaskedPaths: ["/proc/kcore", "/proc/keys", "/sys/firmware"],
      ReadonlyPaths: ["/proc/bus", "/proc/sys"],
    },
    ...parts,
  };
}
