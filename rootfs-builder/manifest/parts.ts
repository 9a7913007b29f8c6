/** Part of the default image that a feature needs. */
export interface Part {
  readonly name: string;
  /** Matches its files and links; `T` stands for the architecture's folder. The first matching part counts. */
  readonly paths: RegExp;
  /** The feature that needs it, in the words of docs/images.md. */
  readonly neededBy: string;
}

const AGENT = "^usr/lib/guestd/";

/**
 * Everything that our images can contain, except for a recipe's files. Programs that are linked with a library need it.
 */
const PARTS: readonly Part[] = [
  part("node", "^usr/bin/node$", "runs the agent"),
  part("libraries", "^usr/(lib|lib64)/([^/]+/)?[^/]+\\.so(\\.[^/]+)?$", "programs that are linked with them"),
  part("iptables extensions", "^usr/lib/[^/]+/xtables/", "matches and targets of SetIPTables' rules, loaded by name"),
  part("ip", "^usr/bin/ip$", "UpdateInterface, UpdateRoutes, ListInterfaces, ListRoutes, AddARPNeighbors"),
  part("iptables", "^usr/sbin/(xtables-nft-multi|ip6?tables(-save|-restore)?)$", "GetIPTables, SetIPTables"),
  part("mkfs.ext4", "^usr/sbin/(mke2fs|mkfs\\.ext4)$", "disks that come empty"),
  part("init", "^usr/sbin/init$", "PID 1: forks containers, reaps, keeps what outlives the agent"),
  part("agent", `${AGENT}agent\\.cjs$`, "the agent"),
  part("agent's code cache", `${AGENT}agent\\.cache$`, "a start without compiling"),
  part("launcher", `${AGENT}launcher\\.cjs$`, "loads the bundle with its code cache"),
  part("choice of bundle", `${AGENT}choose-bundle\\.cjs$`, "guestctl upgrade, and its fall back"),
  part("gRPC", `${AGENT}grpc\\.c(js|ache)$`, "hosts that speak gRPC; loaded by the first connection"),
  part("tar", `${AGENT}tar\\.cjs$`, "layers of images that the guest gets itself; loaded by the first"),
  part("YAML", `${AGENT}yaml\\.cjs$`, "CDI files in YAML; loaded by the first"),
  part("sys.node", `${AGENT}sys\\.node$`, "vsock and the system calls that Node lacks"),
  part("seccomp.node", `${AGENT}seccomp\\.node$`, "seccomp filters of containers; loaded by the first"),
  part("container-init", `${AGENT}container-init$`, "containers that ask for an init: guestctl run --init"),
  part("keep-core", `${AGENT}keep-core$`, "core dumps, with agent.core_dumps"),
  part("Node's options", `${AGENT}node-options$`, "a small heap"),
  part("pause", "^pause_bundle/", "pods whose images the guest gets itself"),
  part("users", "^etc/(passwd|group)$", "uid 0 and 65534 by name, the group of terminals"),
  part("host's name", "^etc/hostname$", "init sets it"),
  part(
    "resolver",
    "^etc/(hosts|nsswitch\\.conf|resolv\\.conf)$",
    "registries by name; dns of CreateSandbox goes to resolv.conf",
  ),
  part("version", "^etc/os-release$", "guestctl image inspect names the image by it"),
  part("links of a merged /usr", "^(bin|lib|lib64|sbin|var/run)$", "paths that programs and hosts are built with"),
  part("Rego engine", `${AGENT}rego\\.wasm$`, "--with-policy"),
  part("OCI runtimes", `${AGENT}runtimes/`, "--with-runtime"),
  part("busybox", "^usr/(bin/(busybox|sh)|sbin/modprobe)$", "--debug"),
];

/** Empty directories serve as mount points. */
export const FOLDERS = part("folders", "", "mount points, and the folders of what is in them");

export function partOf(path: string): Part | undefined {
  return PARTS.find(({ paths }) => paths.test(path));
}

function part(name: string, paths: string, neededBy: string): Part {
  return { name, paths: new RegExp(paths), neededBy };
}
