import { describe, expect, test } from "vitest";
import type { NetDevice } from "./net-devices.ts";
import { type TestNetworkOptions, testNetwork } from "./test-network.ts";
import { updateInterface, type WantedInterface } from "./update-interface.ts";

const down = { up: false, loopback: false };
const LO: NetDevice = { name: "lo", hardwareAddress: "00:00:00:00:00:00", up: true, loopback: true };
const ETH0: NetDevice = { ...down, name: "eth0", hardwareAddress: "02:00:00:00:00:01", up: true };
const ETH1: NetDevice = { ...down, name: "eth1", hardwareAddress: "02:00:00:00:00:02" };

const nothing = { name: "", hardwareAddress: "", addresses: [], mtu: 0, pciPath: "", flags: 0 };
const signal = new AbortController().signal;

async function lines(
  wanted: Partial<WantedInterface>,
  options: TestNetworkOptions = {},
): Promise<string[] | undefined> {
  const network = testNetwork({ devices: [LO, ETH0, ETH1], ...options });
  await updateInterface(network, { ...nothing, ...wanted }, signal);
  return network.batches[0];
}

describe("an interface", () => {
  test("is found by its hardware address, in any case, and gets addresses, mtu and flags, then is set up", async () => {
    const addresses = [
      { address: "10.99.0.2", mask: "24" },
      { address: "fd00::2", mask: "64" },
    ];
    const wanted = { name: "eth1", hardwareAddress: "02:00:00:00:00:0A", mtu: 1400, addresses };
    const devices = [LO, { ...ETH1, hardwareAddress: "02:00:00:00:00:0a" }];
    expect(await lines(wanted, { devices })).toEqual([
      "address flush dev eth1",
      "link set dev eth1 mtu 1400",
      "link set dev eth1 arp on",
      "address replace 10.99.0.2/24 dev eth1 broadcast +",
      "address replace fd00::2/64 dev eth1 nodad",
      "link set dev eth1 up",
    ]);
  });

  test("that is up is set down first; without an mtu it keeps its own; IFF_NOARP switches arp off", async () => {
    expect(await lines({ name: "eth0", hardwareAddress: "02:00:00:00:00:01", flags: 0x80 | 0x100 })).toEqual([
      "link set dev eth0 down",
      "address flush dev eth0",
      "link set dev eth0 arp off",
      "link set dev eth0 up",
    ]);
  });

  test("takes the name of another one, which gets its own", async () => {
    expect(await lines({ name: "eth0", hardwareAddress: "02:00:00:00:00:02" })).toEqual([
      "address flush dev eth1",
      "link set dev eth0 down",
      "link set dev eth0 name eth0_temp",
      "link set dev eth1 name eth0",
      "link set dev eth0_temp name eth1",
      "link set dev eth1 up",
      "link set dev eth0 arp on",
      "link set dev eth0 up",
    ]);
  });

  test("the temporary name of a long one fits", async () => {
    const long = "a-name-of-15-by";
    const batch = await lines(
      { name: long, hardwareAddress: "02:00:00:00:00:02" },
      {
        devices: [ETH1, { ...ETH0, name: long }],
      },
    );
    expect(batch).toContain(`link set dev ${long} name a-name-of-_temp`);
  });

  test("that no hardware address finds is found by its name, and gets the address", async () => {
    expect(await lines({ name: "eth1", hardwareAddress: "02:00:00:00:00:99" })).toEqual([
      "address flush dev eth1",
      "link set dev eth1 address 02:00:00:00:00:99",
      "link set dev eth1 arp on",
      "link set dev eth1 up",
    ]);
  });

  test.each([
    ["the kernel has no IPv6", { files: { "/proc/sys/net/ipv6/conf/all/disable_ipv6": undefined } }],
    ["a sysctl has switched it off", { files: { "/proc/sys/net/ipv6/conf/all/disable_ipv6": "1\n" } }],
  ])("has no IPv6 address where %s", async (_why, options) => {
    const addresses = [{ address: "fd00::2", mask: "64" }];
    expect(await lines({ name: "eth1", addresses }, options)).toEqual([
      "address flush dev eth1",
      "link set dev eth1 arp on",
      "link set dev eth1 up",
    ]);
  });

  test("that is not there is told as hosts look for it", async () => {
    await expect(lines({ name: "eth7", hardwareAddress: "02:00:00:00:00:99" })).rejects.toThrow(
      "update interface: Link not found (Address: 02:00:00:00:00:99); there are eth0 02:00:00:00:00:01, eth1 02:00:00:00:00:02, lo ",
    );
    await expect(lines({ name: "eth7" })).rejects.toThrow("Link not found (Name: eth7)");
    await expect(lines({ hardwareAddress: "00:00:00:00:00:00" })).rejects.toThrow("Link not found");
  });

  test("at a PCI path is found by the name that the guest has for it, not by that of the request", async () => {
    const wanted = { name: "net1", pciPath: "02/00", hardwareAddress: "02:00:00:00:00:99" };
    expect(await lines(wanted, { plugged: { "02/00": "eth1" } })).toEqual([
      "address flush dev eth1",
      "link set dev eth1 address 02:00:00:00:00:99",
      "link set dev eth1 name net1",
      "link set dev net1 arp on",
      "link set dev net1 up",
    ]);
  });

  test("at a PCI path where nothing comes is an error", async () => {
    await expect(lines({ name: "eth1", pciPath: "02/00" })).rejects.toThrow("at PCI path 02/00: not there");
  });

  test.each([
    [{ name: "" }, "neither hwAddr nor name nor devicePath"],
    [{ name: "a-name-of-16-byt" }, "no name of a network device"],
    [{ name: "é".repeat(8) }, "no name of a network device"],
    [{ name: "eth0\nlink set dev lo down" }, "no name of a network device"],
    [{ name: "a/b" }, "no name of a network device"],
    [{ name: "a b" }, "no name of a network device"],
    [{ name: ".." }, "no name of a network device"],
    [{ name: "eth%d" }, "no name of a network device"],
    [{ name: "a#b" }, "no name of a network device"],
    [{ name: "eth1", hardwareAddress: "02:00:00:00:00" }, "no hardware address"],
    [{ name: "eth1", hardwareAddress: "02:00:00:00:00:01 up" }, "no hardware address"],
    [{ name: "eth1", mtu: 67 }, "an mtu of 67, 68 to 65535 can be"],
    [{ name: "eth1", mtu: 2 ** 64 }, "an mtu of 18446744073709552000"],
    [{ name: "eth1", pciPath: "../../.." }, "PCI path"],
    [
      { name: "eth1", addresses: [{ address: "10.0.0.1", mask: "33" }] },
      'a prefix of "33" bits, of IPv4 0 to 32 can be',
    ],
    [{ name: "eth1", addresses: [{ address: "10.0.0.1", mask: "" }] }, 'a prefix of "" bits'],
    [{ name: "eth1", addresses: [{ address: "fe80::1%eth0", mask: "64" }] }, "no IP address"],
    [{ name: "eth1", addresses: [{ address: "10.0.0.1 dev lo", mask: "8" }] }, "no IP address"],
  ])("as in %j is refused, and nothing is run", async (wanted, why) => {
    const network = testNetwork({ devices: [LO, ETH0, ETH1] });
    await expect(updateInterface(network, { ...nothing, ...wanted }, signal)).rejects.toThrow(why);
    expect(network.runs).toEqual([]);
  });

  test("that `ip` refuses is told with the command and the reason", async () => {
    const failures = ["RTNETLINK answers: Operation not supported\nCommand failed -:2\n"];
    await expect(lines({ name: "eth0" }, { failures })).rejects.toThrow(
      "ip address flush dev eth0: Operation not supported",
    );
  });
});
