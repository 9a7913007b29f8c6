import type { IpRoute } from "../../../lib/ip-json.ts";
import { AgentError } from "../../kernel/error.ts";
import { Lock } from "../../kernel/wait/lock.ts";
import type { NetDevice } from "../net-devices.ts";
import type { Network } from "../network.ts";

export interface TestNetworkOptions {
  readonly devices?: readonly (Pick<NetDevice, "name"> & Partial<NetDevice>)[];
  readonly routes?: { readonly v4?: readonly IpRoute[]; readonly v6?: readonly IpRoute[] };
  /** Files with their text, or directories with their names. */
  readonly files?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Device names by PCI path. */
  readonly plugged?: Readonly<Record<string, string>>;
  /** The errors of `ip` for successive batches; undefined means success. */
  readonly failures?: (string | undefined)[];
}

export interface TestNetwork extends Network {
  /** Lines of each batch. */
  readonly batches: readonly string[][];
  /** Programs that were run, with arguments. */
  readonly runs: readonly string[][];
}

const IPV6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6";

/** A network with a fake `ip`. The scenarios in test/scenarios/network.ts use the real one. */
export function testNetwork(options: TestNetworkOptions = {}): TestNetwork {
  const { devices = [], routes = {}, failures = [] } = options;
  const files: Record<string, string | readonly string[] | undefined> = {
    ...Object.assign({}, ...devices.map(sysfs)),
    "/sys/class/net": devices.map(({ name }) => name),
    "/usr/sbin/ip": "",
    [IPV6]: "0\n",
    ...options.files,
  };
  const batches: string[][] = [];
  const runs: string[][] = [];
  const file = (path: string) => {
    const content = files[path];
    if (content === undefined) throw new Error(`ENOENT: ${path}`);
    return content;
  };
  return {
    batches,
    runs,
    lock: new Lock(),
    deviceAt: async (path) => {
      const name = options.plugged?.[path];
      if (name === undefined) throw new AgentError("internal", `network device at PCI path ${path}: still missing`);
      return name;
    },
    files: {
      exists: (path) => files[path] !== undefined,
      readText: (path) => String(file(path)),
      list: (path) => [...file(path)],
    },
    async run(program, args, { input = "" } = {}) {
      runs.push([program, ...args]);
      if (args.includes("route")) return Buffer.from(JSON.stringify(routes[args.includes("-6") ? "v6" : "v4"] ?? []));
      if (!args.includes("-batch")) return Buffer.from("");
      batches.push(String(input).trimEnd().split("\n"));
      const stderr = failures.shift();
      if (stderr === undefined) return Buffer.from("");
      throw new AgentError("internal", "ip: exit code 1", { fields: { stderr } });
    },
  };
}

function sysfs({ name, hardwareAddress = "", up, loopback }: Partial<NetDevice>): Record<string, string> {
  const flags = (up ? 1 : 0) + (loopback ? 8 : 0);
  const directory = `/sys/class/net/${name}`;
  return { [`${directory}/flags`]: `0x${flags.toString(16)}\n`, [`${directory}/address`]: `${hardwareAddress}\n` };
}
