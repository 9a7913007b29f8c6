import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "../scenarios/oci.ts";
import type { Exec } from "./arbitrary-exec.ts";
import type { SpecTemplate } from "./observer.ts";
import { SHIFTED } from "./rootfs-tree.ts";

const { Process, Linux, Mounts } = ociSpec("/", ["/probe"]);
const MAP = [{ ContainerID: 0, HostID: SHIFTED, Size: 65_536 }];
const IN_USER: SpecTemplate = {
  Mounts: (Mounts ?? []).filter(({ type }) => type !== "mqueue"),
  Linux: {
    ...Linux,
    Namespaces: ["mount", "ipc", "uts", "pid", "network", "user"].map((Type) => ({ Type })),
    UIDMappings: MAP,
    GIDMappings: MAP,
  },
};
const exec = (its: Init<grpc.Process>, first: Init<grpc.Process> = {}, parts: SpecTemplate = {}): Exec => ({
  spec: ociSpec("ROOTFS", [], { Process: { ...Process, ...first }, ...parts }),
  exec: { Args: ["/probe"], Env: ["PATH=/bin"], Cwd: "/", ...its },
});

/** Execs by name, in every run. Each known difference of execs shows in at least one. */
export const FIXED_EXECS: Readonly<Record<string, Exec>> = {
  "an ordinary exec": exec({}),
  "an exec as another user, with groups, limits and a directory": exec({
    User: { UID: 1000, GID: 100, AdditionalGids: [7] },
    Cwd: "/full/dir",
    Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200 }],
    OOMScoreAdj: 400,
  }),
  "an exec with a terminal, in a container of another user": exec(
    { Terminal: true, User: { UID: 1000, GID: 1000 } },
    { User: { UID: 100, GID: 100 } },
  ),
  "an exec without an environment": exec({ Env: [] }, { Env: ["LANG=C"] }),
  "an exec in a user namespace": exec({ User: { UID: 1000, GID: 100 } }, {}, IN_USER),
};
