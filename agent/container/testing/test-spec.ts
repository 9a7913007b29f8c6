import { DEFAULT_MOUNTS } from "../../../lib/oci-defaults.ts";
import type { Spec } from "../spec.ts";

/** Returns, for tests, what a Kata host sends for an ordinary container, under OCI names. `parts` replaces fields. */
export function testSpec(parts: Partial<Spec> = {}): Spec {
  return {
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [] },
      args: ["/bin/sh"],
      env: ["PATH=/usr/bin:/bin"],
      cwd: "/",
      capabilities: {
        bounding: ["CAP_CHOWN", "KILL"],
        effective: ["CAP_CHOWN", "KILL"],
        inheritable: [],
        permitted: ["CAP_CHOWN", "KILL"],
        ambient: [],
      },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024n, hard: 1024n }],
      noNewPrivileges: true,
      oomScoreAdj: 0,
    },
    root: { path: "/run/kata-containers/shared/containers/c1/rootfs", readonly: false },
    hostname: "",
    domainname: "",
    mounts: [
      ...DEFAULT_MOUNTS.slice(0, 3), // /proc, /dev and /dev/pts
      { destination: "/etc/hosts", source: "/run/hosts", type: "bind", options: ["rbind", "rprivate", "ro"] },
    ],
    annotations: {},
    linux: {
      namespaces: [
        { type: "ipc", path: "/run/sandbox-ns/ipc" },
        { type: "uts", path: "" },
        { type: "mnt", path: "" },
        { type: "pid", path: "" },
      ],
      devices: [],
      rootfsPropagation: "",
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
      cgroupsPath: "/default/c1",
      resources: {},
    },
    unsupported: [],
    ...parts,
  };
}
