import { beforeAll, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { types } from "../../proto/gen/messages.js";
import { agentService } from "../../proto/gen/services.js";
import { readRecording } from "../recordings/read-recording.ts";
import type { Pod } from "./pod.ts";

/** Addresses of the two network devices that a machine has, or that the test creates. */
const FIRST = "02:00:00:00:99:01";
const SECOND = "02:00:00:00:99:02";
const ABSENT = "02:00:00:00:99:99";

/** Scenarios of the network calls, in the order in which hosts make them. */
export function networkScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;
  const shell = (line: string) => pod().machine.shell(line);
  const update = (wanted: Init<types.Interface>) => agent().updateInterface({ interface: wanted });
  const nameOf = async (address: string) => (await listed(address)).name;
  const listed = async (address: string) => {
    const { Interfaces } = await agent().listInterfaces({});
    const found = Interfaces.find(({ hwAddr }) => hwAddr === address);
    if (found === undefined) throw new Error(`${address} is not listed`);
    return found;
  };

  beforeAll(async () => {
    if (pod().machine.real) return;
    const pair = `link add pair0 address ${FIRST} type veth peer name pair1 address ${SECOND}`;
    await shell(`ip link | grep -q ${FIRST} || ip ${pair}; ip -6 route flush default; ip link set lo up`);
  });

  it("a container sees an interface, a neighbour and routes set up as by runtime-rs", async () => {
    const wanted = {
      device: "eth0",
      name: "eth0",
      IPAddresses: [{ address: "10.99.0.2", mask: "24" }],
      mtu: 1500,
      hwAddr: FIRST,
      type: "veth",
    };
    expect(agentService.UpdateInterface.response.encode(await update(wanted))).toEqual(
      agentService.UpdateInterface.response.encode(wanted),
    );
    await agent().addARPNeighbors({
      neighbors: {
        ARPNeighbors: [
          { toIPAddress: { address: "10.99.0.77" }, device: "eth0", lladdr: "02:00:00:00:00:77", state: 128, flags: 8 },
        ],
      },
    });
    const { Routes } = await agent().updateRoutes({
      routes: { Routes: [{ gateway: "10.99.0.1", device: "eth0" }] },
    });
    const found = Routes.filter(({ device, family }) => device === "eth0" && family === 0);
    expect(found.map(({ dest, gateway, scope }) => ({ dest, gateway, scope }))).toEqual([
      { dest: "0.0.0.0", gateway: "10.99.0.1", scope: 0 },
      { dest: "10.99.0.0/24", gateway: "", scope: 253 },
    ]);
    const seen = await pod().run(["sh", "-c", "ip addr show dev eth0; ip route; cat /proc/net/arp"]);
    expect(seen.stdout.toString()).toMatch(/UP.* mtu 1500/);
    expect(seen.stdout.toString()).toContain("inet 10.99.0.2/24");
    expect(seen.stdout.toString()).toContain("default via 10.99.0.1 dev eth0");
    expect(seen.stdout.toString()).toMatch(/10\.99\.0\.77\s+0x1\s+0x6\s+02:00:00:00:00:77/);
  });

  it("a container's statistics count what the guest's card sends", async () => {
    // The other end of a pair must be up as well, unlike a hub.
    const other = await nameOf(SECOND);
    if (!pod().machine.real) await shell(`ip link set ${other} up`);
    const id = await pod().start(["sleep", "1000"]);
    const sent = async () => {
      const { network_stats } = await agent().statsContainer({ container_id: id });
      const card = network_stats.find(({ name }) => name === "eth0");
      return { bytes: card?.tx_bytes ?? Number.NaN, packets: card?.tx_packets ?? Number.NaN };
    };
    const before = await sent();
    const Capabilities = { Bounding: ["CAP_NET_RAW"], Effective: ["CAP_NET_RAW"], Permitted: ["CAP_NET_RAW"] };
    // The neighbour above doesn't exist: its address is known, so requests are sent, and no response comes.
    const ping = ["ping", "-q", "-c", "2", "-W", "1", "-s", "1000", "10.99.0.77"];
    const { stdout } = await pod().execute(id, ping, { Capabilities });
    expect(stdout.toString()).toContain("2 packets transmitted, 0 packets received");
    const after = await sent();
    // Including the headers of Ethernet, IP and ICMP; the kernel sends a few packets of its own.
    expect(after.bytes - before.bytes).toBeGreaterThanOrEqual(1000 + 14 + 20 + 8);
    expect(after.packets - before.packets).toBeGreaterThanOrEqual(1);
    await pod().remove(id);
    if (!pod().machine.real) await shell(`ip link set ${other} down`);
  });

  it.each(["network", "runtime-rs-guest-network"])(
    "the calls recorded in %s.jsonl get responses with the same meaning",
    async (name) => {
      for (const { call, request, response } of recordedCalls(name)) {
        if (call === "UpdateInterface") {
          const wanted = { ...(request["interface"] as Init<types.Interface>), hwAddr: FIRST };
          expect(json(await update({ ...wanted, mtu: Number(wanted.mtu) }))).toEqual({
            ...json(response),
            hwAddr: FIRST,
            mtu: Number(wanted.mtu),
          });
        } else if (call === "UpdateRoutes") {
          const { Routes } = await agent().updateRoutes(request);
          const recorded = (response["Routes"] as Init<types.Route>[]).map(meaning);
          // fe80::/64 appears once the kernel has created that address
          const ours = Routes.filter(({ device }) => device === "eth0").map(meaning);
          expect(ours.filter((route) => !route.startsWith("fe80"))).toEqual(
            recorded.filter((route) => !route.startsWith("fe80")),
          );
        } else expect(json(await agent().addARPNeighbors(request))).toEqual(json(response));
      }
    },
  );

  it("the Go shim's way to write the default route sets the same route", async () => {
    await agent().updateRoutes({
      routes: { Routes: [{ dest: "0.0.0.0/0", gateway: "10.99.0.254", device: "eth0", mtu: 1400 }] },
    });
    const { Routes } = await agent().listRoutes({});
    expect(Routes.filter(({ dest }) => dest === "0.0.0.0")).toMatchObject([{ gateway: "10.99.0.254", mtu: 1400 }]);
  });

  it("a gateway off the link is reachable by a route that follows it in the request", async () => {
    const { Routes } = await agent().updateRoutes({
      routes: {
        Routes: [
          { dest: "10.77.0.0/16", gateway: "169.254.1.1", device: "eth0" },
          { dest: "169.254.1.1/32", device: "eth0", scope: 253 },
        ],
      },
    });
    expect(Routes.map(({ dest }) => dest)).toEqual(expect.arrayContaining(["10.77.0.0/16", "169.254.1.1/32"]));
  });

  it("two interfaces swap names, and nothing else of the second changes", async () => {
    await update({ name: "eth1", hwAddr: SECOND, IPAddresses: [{ address: "10.98.0.2", mask: "16" }], mtu: 1450 });
    await update({ name: "eth1", hwAddr: FIRST, IPAddresses: [{ address: "10.99.0.2", mask: "24" }], mtu: 1400 });
    const [first, second] = [await listed(FIRST), await listed(SECOND)];
    expect([first.name, first.mtu, second.name, second.mtu]).toEqual(["eth1", 1400, "eth0", 1450]);
    expect(own(second)).toMatchObject([{ address: "10.98.0.2", mask: "16" }]);
    expect(await shell("cat /sys/class/net/eth0/flags")).toMatch(/[13579bdf]$/m);
    await update({ name: "eth0", hwAddr: FIRST, IPAddresses: [{ address: "10.99.0.2", mask: "24" }], mtu: 1500 });
    expect([await nameOf(FIRST), await nameOf(SECOND)]).toEqual(["eth0", "eth1"]);
    expect(await shell("ls /sys/class/net")).not.toContain("temp");
  });

  it("addresses are replaced, IPv6 is usable at once, and the list matches the kernel's", async () => {
    const IPAddresses = [
      { address: "10.99.0.3", mask: "24" },
      { family: 1, address: "fd00:99::3", mask: "64" },
    ];
    await update({ name: "eth0", hwAddr: FIRST, IPAddresses, mtu: 1500 });
    expect(own(await listed(FIRST))).toMatchObject(IPAddresses);
    // address, number, bits, scope, flags (permanent, no detection of duplicates), name
    const table = await shell("cat /proc/net/if_inet6");
    expect(table).toMatch(/^fd000099000000000000000000000003 \w\w 40 00 82 +eth0$/m);
    const fib = await shell("cat /proc/net/fib_trie");
    expect(fib).toContain("10.99.0.3");
    expect(fib).not.toMatch(/10\.99\.0\.2$/m);
  });

  it("routes of IPv6 have their family and match /proc/net/ipv6_route", async () => {
    const { Routes } = await agent().updateRoutes({
      routes: {
        Routes: [
          { family: 1, gateway: "fd00:99::1", device: "eth0" },
          { family: 1, dest: "fd00:77::/32", gateway: "fd00:99::1", device: "eth0" },
        ],
      },
    });
    const v6 = Routes.filter(({ family, device }) => family === 1 && device === "eth0");
    expect(v6.map(({ dest, gateway }) => `${dest} ${gateway}`)).toEqual(
      expect.arrayContaining(["::1 fd00:99::1", "fd00:77::/32 fd00:99::1", "fd00:99::/64 "]),
    );
    const lines = (await shell("cat /proc/net/ipv6_route")).split("\n");
    // no flag of a local route, an anycast address or a rejection, nor a multicast prefix
    const kernels = lines.filter((line) => / +eth0$/.test(line) && !/^ff|^\w+ 80 /.test(line) && !isLocal(line));
    expect(v6).toHaveLength(kernels.length);
  });

  it("routes of IPv4 match /proc/net/route", async () => {
    const { Routes } = await agent().listRoutes({});
    const lines = (await shell("cat /proc/net/route")).trim().split("\n").slice(1);
    const kernels = lines.map((line) => {
      const [device = "", dest = "", gateway = "", , , , , mask = ""] = line.split("\t");
      const bits = [...Number.parseInt(mask, 16).toString(2)].filter((bit) => bit === "1").length;
      return `${device} ${bits === 0 ? "0.0.0.0" : `${dotted(dest)}/${bits}`} ${gateway === "00000000" ? "" : dotted(gateway)}`;
    });
    const ours = Routes.filter(({ family }) => family === 0).map((route) => {
      return `${route.device} ${route.dest} ${route.gateway}`;
    });
    expect(ours.sort()).toEqual(kernels.sort());
    expect(ours.length).toBeGreaterThan(1);
  });

  it("the NOARP flag is set, and the next update without it clears it", async () => {
    await update({ name: "eth1", hwAddr: SECOND, raw_flags: 0x80 });
    const flags = async () => Number((await shell("cat /sys/class/net/eth1/flags")).trim());
    expect((await flags()) & 0x80).toBe(0x80);
    await update({ name: "eth1", hwAddr: SECOND });
    expect((await flags()) & 0x80).toBe(0);
  });

  it("a missing interface is reported in the words that hosts look for, and one found by name gets the address", async () => {
    await expect(update({ name: "eth7", hwAddr: ABSENT })).rejects.toMatchObject({
      kind: "internal",
      message: expect.stringContaining(`Link not found (Address: ${ABSENT})`),
    });
    await update({ name: "eth1", hwAddr: ABSENT });
    expect(await nameOf(ABSENT)).toBe("eth1");
    await update({ name: "eth1", hwAddr: SECOND });
    expect(await nameOf(SECOND)).toBe("eth1");
  });

  it("a bad request changes nothing", async () => {
    // Except what the kernel still changes: its own addresses, and whether a link has a carrier.
    const state = async () => {
      const { Interfaces } = await agent().listInterfaces({});
      const { Routes } = await agent().listRoutes({});
      const routes = Routes.map(meaning).filter((route) => !route.startsWith("fe80"));
      return [Interfaces.map((one) => ({ ...json(one), IPAddresses: own(one) })), routes];
    };
    const before = await state();
    const address = (one: string, mask: string) => ({ name: "eth0", IPAddresses: [{ address: one, mask }] });
    const bad = [
      () => agent().updateInterface({}),
      () => update({}),
      () => update(address("10.0.0.300", "8")),
      () => update(address("10.0.0.1", "64")),
      () => update({ name: "eth0", mtu: 2 ** 40 }),
      () => update({ name: "x".repeat(16), hwAddr: FIRST }),
      () => agent().updateRoutes({}),
      () => agent().updateRoutes({ routes: { Routes: [{ dest: "10.1.0.0/16", device: "eth0" }, { dest: "x" }] } }),
      () => agent().addARPNeighbors({}),
      () => agent().addARPNeighbors({ neighbors: { ARPNeighbors: [{ device: "eth0", state: 128 }] } }),
    ];
    for (const call of bad) await expect(call()).rejects.toMatchObject({ kind: "invalid-argument" });
    expect(await state()).toEqual(before);
  });

  it("an error of the kernel is reported with the command and the reason", async () => {
    const routes = { Routes: [{ dest: "10.66.0.0/16", gateway: "192.0.2.1", device: "eth0" }] };
    await expect(agent().updateRoutes({ routes })).rejects.toThrow(
      "ip route replace 10.66.0.0/16 via 192.0.2.1 dev eth0 proto boot scope 0: Nexthop has invalid gateway.",
    );
    const device = { Routes: [{ dest: "10.66.0.0/16", device: "eth7" }] };
    await expect(agent().updateRoutes({ routes: device })).rejects.toThrow("Link not found (Name: eth7)");
  });

  it("concurrent changes are applied one after the other", async () => {
    const rounds = Array.from({ length: 8 }, (_, index) => `10.60.${index}.0/24`);
    await Promise.all([
      ...rounds.map((dest) => agent().updateRoutes({ routes: { Routes: [{ dest, device: "eth0" }] } })),
      update({ name: "eth1", hwAddr: SECOND, mtu: 1300 }),
    ]);
    const { Routes } = await agent().listRoutes({});
    expect(Routes.map(({ dest }) => dest)).toEqual(expect.arrayContaining(rounds));
    expect((await listed(SECOND)).mtu).toBe(1300);
  });
}

interface Recorded {
  readonly call: string;
  readonly request: Record<string, unknown>;
  readonly response: Record<string, unknown>;
}

/** Returns the network calls of a recording, with their responses. */
function recordedCalls(name: string): Recorded[] {
  const entries = readRecording(name);
  const found = entries.flatMap((entry) => {
    if (entry.kind !== "request" || !/^(UpdateInterface|UpdateRoutes|AddARPNeighbors)$/.test(entry.method)) return [];
    const answer = entries.find((one) => one.kind === "response" && one.stream === entry.stream);
    const response = answer?.kind === "response" ? answer.message : undefined;
    return [{ call: entry.method, request: { ...entry.message }, response: { ...response } }];
  });
  expect(found.length).toBe(3);
  return found;
}

function json(message: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(message));
}

/** Returns the parts of a route that a host can use. */
function meaning({ dest = "", gateway = "", device = "", scope = 0 }: Init<types.Route>): string {
  return `${dest} via ${gateway} dev ${device} scope ${scope}`;
}

/** True for a route with RTF_LOCAL, RTF_ANYCAST or RTF_REJECT. */
function isLocal(line: string): boolean {
  return (BigInt(`0x${line.trim().split(/\s+/).at(-2)}`) & 0x8010_0200n) !== 0n;
}

/** Returns the addresses, without those that the kernel derives from the hardware address. */
function own({ IPAddresses }: types.Interface): types.IPAddress[] {
  return IPAddresses.filter(({ address }) => !address.startsWith("fe80"));
}

/** Returns an address of /proc/net/route in dotted form. */
function dotted(hex: string): string {
  return (hex.match(/../g) ?? [])
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".");
}
