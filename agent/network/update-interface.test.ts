import { describe, expect, test } from "vitest";
import type { NetDevice } from "./net-devices.ts";
import { type TestNetworkOptions, testNetwork } from "./testing/test-network.ts";
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

describe("an interface update", () => {
  test("finds the device by its hardware address in either case, sets addresses, mtu and flags, then brings it up", async () => {
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

  test("brings the device down first, keeps its mtu if none is requested, and turns arp off for IFF_NOARP", async () => {
    expect(await lines({ name: "eth0", hardwareAddress: "02:00:00:00:00:01", flags: 0x80 | 0x100 })).toEqual([
      "link set dev eth0 down",
      "address flush dev eth0",
      "link set dev eth0 arp off",
      "link set dev eth0 up",
    ]);
  });

  test("swaps names with the device that has the requested name", async () => {
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

  test("cuts a long name so that the temporary one fits", async () => {
    const long = "a-name-of-15-by";
    const batch = await lines(
      { name: long, hardwareAddress: "02:00:00:00:00:02" },
      {
        devices: [ETH1, { ...ETH0, name: long }],
      },
    );
    expect(batch).toContain(`link set dev ${long} name a-name-of-_temp`);
  });

  test("finds the device by its name if none has the hardware address, and sets the address", async () => {
    expect(await lines({ name: "eth1", hardwareAddress: "02:00:00:00:00:99" })).toEqual([
      "address flush dev eth1",
      "link set dev eth1 address 02:00:00:00:00:99",
      "link set dev eth1 arp on",
      "link set dev eth1 up",
    ]);
  });

  test.each([
    ["the kernel has no IPv6", { files: { "/proc/sys/net/ipv6/conf/all/disable_ipv6": undefined } }],
    ["a sysctl disables it", { files: { "/proc/sys/net/ipv6/conf/all/disable_ipv6": "1\n" } }],
  ])("leaves out IPv6 addresses if %s", async (_why, options) => {
    const addresses = [{ address: "fd00::2", mask: "64" }];
    expect(await lines({ name: "eth1", addresses }, options)).toEqual([
      "address flush dev eth1",
      "link set dev eth1 arp on",
      "link set dev eth1 up",
    ]);
  });

  test("reports a missing device in the words that hosts look for", async () => {
    await expect(lines({ name: "eth7", hardwareAddress: "02:00:00:00:00:99" })).rejects.toThrow(
      "update interface: Link not found (Address: 02:00:00:00:00:99); present: eth0 02:00:00:00:00:01, eth1 02:00:00:00:00:02, lo ",
    );
    await expect(lines({ name: "eth7" })).rejects.toThrow("Link not found (Name: eth7)");
    await expect(lines({ hardwareAddress: "00:00:00:00:00:00" })).rejects.toThrow("Link not found");
  });

  test("finds a device at a PCI path by its name in the guest, not by the requested name", async () => {
    const wanted = { name: "net1", pciPath: "02/00", hardwareAddress: "02:00:00:00:00:99" };
    expect(await lines(wanted, { plugged: { "02/00": "eth1" } })).toEqual([
      "address flush dev eth1",
      "link set dev eth1 address 02:00:00:00:00:99",
      "link set dev eth1 name net1",
      "link set dev net1 arp on",
      "link set dev net1 up",
    ]);
  });

  test("fails if no device appears at the PCI path", async () => {
    await expect(lines({ name: "eth1", pciPath: "02/00" })).rejects.toThrow("at PCI path 02/00: still missing");
  });

  test.each([
    [{ name: "" }, "hwAddr, name and devicePath are all empty"],
    [{ name: "a-name-of-16-byt" }, "not a valid name for a network device"],
    [{ name: "é".repeat(8) }, "not a valid name for a network device"],
    [{ name: "eth0\nlink set dev lo down" }, "not a valid name for a network device"],
    [{ name: "a/b" }, "not a valid name for a network device"],
    [{ name: "a b" }, "not a valid name for a network device"],
    [{ name: ".." }, "not a valid name for a network device"],
    [{ name: "eth%d" }, "not a valid name for a network device"],
    [{ name: "a#b" }, "not a valid name for a network device"],
    [{ name: "eth1", hardwareAddress: "02:00:00:00:00" }, "not a hardware address"],
    [{ name: "eth1", hardwareAddress: "02:00:00:00:00:01 up" }, "not a hardware address"],
    [{ name: "eth1", mtu: 67 }, "mtu 67 is out of range, use 68 to 65535"],
    [{ name: "eth1", mtu: 2 ** 64 }, "mtu 18446744073709552000 is out of range"],
    [{ name: "eth1", pciPath: "../../.." }, "PCI path"],
    [
      { name: "eth1", addresses: [{ address: "10.0.0.1", mask: "33" }] },
      'prefix length "33" is out of range, use 0 to 32 for IPv4',
    ],
    [{ name: "eth1", addresses: [{ address: "10.0.0.1", mask: "" }] }, 'prefix length "" is out of range'],
    [{ name: "eth1", addresses: [{ address: "fe80::1%eth0", mask: "64" }] }, "not an IP address"],
    [{ name: "eth1", addresses: [{ address: "10.0.0.1 dev lo", mask: "8" }] }, "not an IP address"],
  ])("refuses %j and runs nothing", async (wanted, why) => {
    const network = testNetwork({ devices: [LO, ETH0, ETH1] });
    await expect(updateInterface(network, { ...nothing, ...wanted }, signal)).rejects.toThrow(why);
    expect(network.runs).toEqual([]);
  });

  test("reports the command and the reason when `ip` refuses it", async () => {
    const failures = ["RTNETLINK answers: Operation not supported\nCommand failed -:2\n"];
    await expect(lines({ name: "eth0" }, { failures })).rejects.toThrow(
      "ip address flush dev eth0: Operation not supported",
    );
  });
});
