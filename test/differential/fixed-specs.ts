import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "../scenarios/oci.ts";
import { everyHook } from "./arbitrary-hooks.ts";
import { DISK } from "./arbitrary-resources.ts";
import { idmappedBind } from "./arbitrary-spec.ts";
import type { SpecTemplate } from "./observer.ts";
import { SHIFTED } from "./rootfs-tree.ts";

const { Process, Linux, Mounts } = ociSpec("/", ["/probe"]);
const spec = (parts: SpecTemplate): SpecTemplate => ociSpec("ROOTFS", ["/probe"], parts);
const namespaces = (...types: string[]) => types.map((Type) => ({ Type }));
const bind = (name: string, destination: string, ...options: string[]): Init<grpc.Mount> => ({
  destination,
  source: `SOURCES/${name}`,
  type: "bind",
  options: ["rbind", ...options],
});
const MAP = [{ ContainerID: 0, HostID: SHIFTED, Size: 65_536 }];

/** Specs by name, in every run. Each known difference shows in at least one. */
export const FIXED_SPECS: Readonly<Record<string, SpecTemplate>> = {
  "with ordinary settings": spec({}),
  "of another user": spec({
    Process: {
      ...Process,
      User: { UID: 1000, GID: 100, AdditionalGids: [7, 42] },
      Cwd: "/made/here",
      OOMScoreAdj: 300,
    },
  }),
  "of a user without an entry in /etc/passwd": spec({ Process: { ...Process, User: { UID: 4321, GID: 5 } } }),
  "of another group, with repeated entries in the environment": spec({
    Process: { ...Process, User: { GID: 5 }, Env: ["A=1", "PATH=/x", "A=2", "HOME=", "PATH=/bin"] },
  }),
  "without capabilities": spec({ Process: { ...Process, Capabilities: null } }),
  "with a terminal": spec({ Process: { ...Process, Terminal: true } }),
  "with all of its own namespaces, limits and a read-only root": spec({
    Process: {
      ...Process,
      NoNewPrivileges: false,
      Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 123, Hard: 456 }, { Type: "RLIMIT_CORE" }],
    },
    Root: { Path: "ROOTFS", Readonly: true },
    Linux: { ...Linux, Namespaces: namespaces("mount", "ipc", "uts", "pid", "network", "cgroup") },
    Mounts: [
      ...(Mounts ?? []),
      { destination: "/data", source: "tmpfs", type: "tmpfs", options: ["ro", "nosuid", "noexec", "size=64k"] },
      { destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"] },
    ],
  }),
  "with devices of every kind": spec({
    Linux: {
      ...Linux,
      Devices: [
        { Path: "/dev/made/one", Type: "c", Major: 240, Minor: 3, FileMode: 0o600, UID: 1, GID: 2 },
        { Path: "/made/two", Type: "b", Major: 7, Minor: 0, FileMode: 0o640 },
        { Path: "/made/pipe", Type: "p", FileMode: 0o622 },
      ],
    },
  }),
  "with binds that are shared, or without links": spec({
    Mounts: [
      ...(Mounts ?? []),
      bind("dir", "/made/shared", "shared"),
      bind("dir", "/mnt/links", "ro", "rnosymfollow"),
      { ...bind("nested", "/made/nested"), options: ["bind", "rprivate"] },
      { destination: "/full/dir", source: "tmpfs", type: "tmpfs", options: ["ro"] },
      bind("file", "/full/file", "noexec"),
      bind("nested/sub", "/made/sub", "noexec"),
      bind("dir", "/full/dir"),
    ],
  }),
  "with a read-only path that has mounts below": spec({
    Mounts: [...(Mounts ?? []), bind("nested", "/full/dir")],
    Linux: { ...Linux, ReadonlyPaths: ["/full/dir", "/etc"], MaskedPaths: ["/full/file", "/full/empty"] },
  }),
  "with hooks of every kind, and shared mounts": spec({
    Hooks: everyHook(),
    Linux: { ...Linux, RootfsPropagation: "rshared" },
  }),
  "with hooks, in an existing pid namespace": spec({
    Hooks: everyHook(),
    Linux: { ...Linux, Namespaces: [{ Type: "mount" }, { Type: "pid", Path: "/proc/KEEPER/ns/pid_for_children" }] },
  }),
  "with hooks and a read-only root": spec({ Hooks: everyHook(), Root: { Path: "ROOTFS", Readonly: true } }),
  "with a filter": spec({
    Linux: {
      ...Linux,
      Seccomp: {
        DefaultAction: "SCMP_ACT_ALLOW",
        Syscalls: [
          { Names: ["times"], Action: "SCMP_ACT_ERRNO", errnoret: 95 },
          { Names: ["getpriority"], Action: "SCMP_ACT_KILL_PROCESS", Args: [{ Value: "1", Op: "SCMP_CMP_EQ" }] },
        ],
      },
    },
  }),
  "with a user namespace, and a terminal": spec({
    Process: { ...Process, Terminal: true },
    Mounts: [
      ...(Mounts ?? []).filter(({ type }) => type !== "mqueue"),
      { destination: "/mnt/cgroup", source: "cgroup", type: "cgroup", options: [] },
      bind("nested", "/full/dir", "nosuid"),
    ],
    Linux: {
      ...Linux,
      Namespaces: namespaces("mount", "ipc", "uts", "pid", "network", "user"),
      UIDMappings: MAP,
      GIDMappings: MAP,
    },
  }),
};

const inCgroup = { destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options: ["ro"] };

/** Further specs for a machine whose cgroups have controllers. */
export const LIMITED_SPECS: Readonly<Record<string, SpecTemplate>> = {
  "with limits": spec({
    Mounts: [...(Mounts ?? []), inCgroup],
    Linux: {
      ...Linux,
      Resources: {
        Memory: { Limit: 2 ** 26, Swap: 2 ** 27, Reservation: 2 ** 25 },
        CPU: { Shares: 512, Quota: 50_000, Period: 100_000, Cpus: "0" },
        Pids: { Limit: 100 },
        BlockIO: { Weight: 500, ThrottleReadBpsDevice: [{ ...DISK, Rate: 2 ** 20 }] },
        HugepageLimits: [{ Pagesize: "2MB", Limit: 2 ** 22 }],
        Unified: { "memory.high": String(2 ** 25) },
      },
    },
  }),
  "with a directory of the guest's root, idmapped": spec({
    Mounts: [...(Mounts ?? []), idmappedBind("/mnt", 5000)],
  }),
  "with a cgroup and a user namespace": spec({
    Mounts: [...(Mounts ?? []).filter(({ type }) => type !== "mqueue"), inCgroup],
    Linux: {
      ...Linux,
      Namespaces: namespaces("mount", "ipc", "uts", "pid", "network", "cgroup", "user"),
      UIDMappings: MAP,
      GIDMappings: MAP,
    },
  }),
};
