import { posix } from "node:path";
import { BuildError } from "../build-error.ts";
import { type PackageGetter, packageTar } from "../debian/debian-package.ts";
import { mergeTars } from "../tree/merge.ts";
import type { Tree } from "../tree/tree.ts";

/**
 * Programs with which the agent configures the network, and the packages with the libraries they need beyond Node's.
 */
export const NETWORK_PACKAGES = [
  "iproute2",
  "iptables",
  ...["libbpf1", "libbsd0", "libcap2", "libelf1", "libmd0", "libmnl0", "zlib1g"], // for ip
  ...["libnftnl11", "libxtables12"], // for iptables
];

const IP = "usr/bin/ip";
/** iptables for nf_tables: one program that acts on the name it is called by. */
const IPTABLES = "usr/sbin/xtables-nft-multi";
const NAMES = ["iptables", "ip6tables"].flatMap((name) => [name, `${name}-save`, `${name}-restore`]);
/**
 * Matches and targets, loaded by name. Those of ARP and bridges belong to other programs, and connlabel needs two more
 * libraries. No kernel since 3.17 has ULOG, a guest has no LED, and osf compares nothing unless nfnl_osf loads
 * fingerprints.
 */
const EXTENSION = /^usr\/lib\/[^/]+\/xtables\/lib(xt|ipt|ip6t)_(?!(connlabel|LED|osf|ULOG)\.)\w+\.so$/;

/** Returns `ip`, iptables under all its names, and its extensions. */
export async function networkTools(packageOf: PackageGetter): Promise<Tree> {
  const packages = await Promise.all(["iproute2", "iptables"].map((name) => packageOf(name)));
  const wanted = (path: string) => path === IP || path === IPTABLES || EXTENSION.test(path);
  const tree = await mergeTars(packages.map((one) => packageTar(one, (path) => (wanted(path) ? path : undefined))));
  for (const path of [IP, IPTABLES]) {
    if (tree.get(path)?.type !== "file") throw new BuildError(`packages iproute2, iptables: no file ${path}`);
  }
  for (const name of NAMES) tree.set(`usr/sbin/${name}`, { type: "symlink", target: posix.basename(IPTABLES) });
  return tree;
}
