import { type IpLink, type IpRoute, type Link, type Route, toLink, toRoutes } from "../../lib/ip-json.ts";
import { runNetworkProgram } from "../vm/network-program.ts";

/** A device that `ip -json address show` lists. */
interface PodLink extends IpLink {
  readonly ifindex: number;
  readonly link_type?: string;
  readonly flags?: readonly string[];
}

/** A permanent neighbour that `ip -json neighbour show` lists. */
interface PodNeighbor {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr: string;
}

/** A network device of a pod, which its guest takes over. */
export interface PodDevice extends Link {
  /** Name of the tap device that mirrors it. */
  readonly tap: string;
}

const TAP = /^guestd[0-9]+$/;

/** The network namespace of a pod: this process's own, or that at a path. Methods throw MachineError. */
export class PodNamespace {
  readonly #enter: readonly string[];

  constructor(path?: string) {
    this.#enter = path === undefined ? [] : ["nsenter", `--net=${path}`, "--"];
  }

  /** Lists the Ethernet devices that are up, but for those that `mirror` has made. */
  async devices(): Promise<readonly PodDevice[]> {
    const links: readonly PodLink[] = await this.#json("address", "show");
    return links
      .filter(({ link_type, flags = [] }) => link_type === "ether" && flags.includes("UP"))
      .filter(({ ifname }) => !TAP.test(ifname))
      .map((link) => ({ ...toLink(link), tap: `guestd${link.ifindex}` }));
  }

  /** Lists the routes, but for those that each kernel has by itself. */
  async routes(): Promise<readonly Route[]> {
    const show = ["-N", "-details", "route", "show", "table", "main"];
    const [v4, v6] = await Promise.all([this.#json<IpRoute>("-4", ...show), this.#json<IpRoute>("-6", ...show)]);
    const all = [...v4.flatMap((route) => toRoutes(route, "v4")), ...v6.flatMap((route) => toRoutes(route, "v6"))];
    return all.filter(({ dest }) => !/^(fe80|ff00)::/.test(dest));
  }

  neighbors(): Promise<readonly PodNeighbor[]> {
    return this.#json("neighbour", "show", "nud", "permanent");
  }

  /** Makes a tap device for one of the pod's, and passes all frames between the two. */
  async mirror({ name, tap, mtu }: PodDevice): Promise<void> {
    await this.#run("ip", "tuntap", "add", "dev", tap, "mode", "tap", "user", "0", "vnet_hdr");
    await this.#run("ip", "link", "set", "dev", tap, "mtu", `${mtu}`, "up");
    for (const [from, to] of [
      [name, tap],
      [tap, name],
    ] as const) {
      await this.#run("tc", "qdisc", "add", "dev", from, "ingress");
      const match = ["parent", "ffff:", "protocol", "all", "u32", "match", "u32", "0", "0"];
      await this.#run(
        "tc",
        "filter",
        "add",
        "dev",
        from,
        ...match,
        ..."action mirred egress redirect dev".split(" "),
        to,
      );
    }
  }

  /** Removes what `mirror` has made, also by a shim that died. */
  async clear(): Promise<void> {
    const links: readonly PodLink[] = await this.#json("address", "show");
    for (const { ifname: tap } of links.filter(({ ifname }) => TAP.test(ifname))) {
      const mirrored = links.find(({ ifindex }) => tap === `guestd${ifindex}`)?.ifname;
      if (mirrored !== undefined)
        await this.#run("tc", "qdisc", "del", "dev", mirrored, "ingress").catch(() => undefined);
      await this.#run("ip", "link", "del", "dev", tap);
    }
  }

  async #json<T>(...args: readonly string[]): Promise<T[]> {
    const text = (await this.#run("ip", "-json", ...args)).trim();
    return text === "" ? [] : JSON.parse(text);
  }

  #run(...argv: readonly string[]): Promise<string> {
    return runNetworkProgram("network of the pod", [...this.#enter, ...argv], "install iproute2, or see ip address");
  }
}
