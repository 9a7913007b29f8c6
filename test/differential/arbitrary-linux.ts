import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { some, subset } from "./arbitrary-parts.ts";
import { arbitrarySeccomp } from "./arbitrary-seccomp.ts";
import { SHIFTED } from "./rootfs-tree.ts";

const MAPS = [{ ContainerID: 0, HostID: SHIFTED, Size: 65_536 }];
/** Names of the keeper's namespace links that differ from the type. */
const LINKS: Readonly<Record<string, string>> = { network: "net", pid: "pid_for_children" };

/** Origin of the namespaces of each type. A container always has its own for mounts and one for pids. */
const namespaces = fc.record({
  ipc: fc.constantFrom("absent", "new", "path"),
  uts: fc.constantFrom("absent", "new", "path"),
  network: fc.constantFrom("absent", "new", "path"),
  pid: fc.constantFrom("new", "new", "path"),
  cgroup: fc.constantFrom("absent", "new"),
  user: fc.constantFrom("absent", "absent", "absent", "new"),
});

const SYSCTLS: Readonly<Record<string, string>> = {
  ...{ "net.ipv4.ip_forward": "1", "net.core.somaxconn": "77", "net.ipv4.ping_group_range": "0 100" },
  ...{ "kernel.msgmax": "4096", "kernel.sem": "10 20 30 40", "kernel.shmmax": "65536", "fs.mqueue.msg_max": "7" },
};

const devices = fc.uniqueArray(
  fc.record({
    Path: fc.constantFrom("/dev/one", "/dev/some/two", "/node", "/made/node"),
    Type: fc.constantFrom("c", "u", "b", "p"),
    Major: fc.constantFrom(1, 7, 240),
    Minor: fc.constantFrom(0, 3, 1_000),
    FileMode: fc.constantFrom(0o600, 0o666, 0o640),
    UID: fc.constantFrom(0, 1000),
    GID: fc.constantFrom(0, 5),
  }),
  { maxLength: 3, selector: ({ Path }) => Path },
);

const PATHS = [
  ...["/proc/kcore", "/proc/keys", "/proc/bus", "/proc/sys", "/sys/firmware"],
  ...["/full/dir", "/full/file", "/full/link", "/nowhere", "/tmp"],
];
/** Without unbindable: crun then makes the guest's mounts unbindable too, and can't bind them. */
const PROPAGATIONS = ["", "", "slave", "rslave", "private", "rprivate", "shared", "rshared"];

/**
 * Linux's own fields, without limits. sysctls are set only in the container's own namespaces, because others would show
 * in other containers. The root of a user namespace can't set them, create devices, or mount what belongs to the pod's
 * namespaces.
 */
export const arbitraryLinux: fc.Arbitrary<Init<grpc.Linux>> = fc
  .record({
    namespaces,
    sysctls: subset(Object.entries(SYSCTLS)),
    Devices: devices,
    paths: fc.tuple(
      ...PATHS.map((path) => fc.record({ path: fc.constant(path), how: fc.constantFrom("masked", "read-only", "") })),
    ),
    RootfsPropagation: fc.constantFrom(...PROPAGATIONS),
    domain: some(fc.constantFrom("LINUX", "LINUX32"), 3),
    Seccomp: some(arbitrarySeccomp),
  })
  .map(({ namespaces: asked, sysctls, domain, paths, ...given }) => {
    const types = asked.user === "new" ? { ...asked, network: "new", pid: "new" } : asked;
    const isOwn = (name: string) => (name.startsWith("net.") ? types.network !== "absent" : types.ipc === "path");
    const user = types.user === "new";
    return {
      ...given,
      MaskedPaths: paths.filter(({ how }) => how === "masked").map(({ path }) => path),
      ReadonlyPaths: paths.filter(({ how }) => how === "read-only").map(({ path }) => path),
      Namespaces: [{ Type: "mount" }, ...Object.entries(types).flatMap(([type, where]) => namespaceOf(type, where))],
      Sysctl: Object.fromEntries(user ? [] : sysctls.filter(([name]) => isOwn(name))),
      ...(domain === undefined ? {} : { Personality: { Domain: domain } }),
      ...(user ? { UIDMappings: MAPS, GIDMappings: MAPS, Devices: [] } : {}),
    };
  });

function namespaceOf(Type: string, where: string): Init<grpc.LinuxNamespace>[] {
  if (where === "absent") return [];
  return [where === "new" ? { Type } : { Type, Path: `/proc/KEEPER/ns/${LINKS[Type] ?? Type}` }];
}
