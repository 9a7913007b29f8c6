import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Qmp } from "../../../host/vm/qmp.ts";
import { iptablesScenarios } from "../../scenarios/iptables.ts";
import { networkScenarios } from "../../scenarios/network.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { makeModules } from "../../vm/testing/guest-modules.ts";

/** Modules that iptables needs with Debian's kernel, which builds none of them in. */
const NETFILTER = [
  "nft_compat",
  "nft_chain_nat",
  "xt_tcpudp",
  "xt_REDIRECT",
  "xt_statistic",
  "xt_comment",
  "nf_tables",
];

/** Slots of `port0` and `port1`. */
const PORTS = ["10/00", "11/00"] as const;

describe("network devices that are plugged into a running guest", () => {
  let directory = "";
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let qmp: Qmp;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guestd-network-"));
    await makeModules(directory, NETFILTER);
    machine = await startGuestMachine(512, {
      hotplug: true,
      kernelArgs: ["agent.hotplug_timeout=20"],
      shares: [{ tag: "modules", directory }],
    });
    qmp = await machine.guest.qmp();
  });
  afterAll(async () => {
    await qmp?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Plugs in a card on the common QEMU hub, which is isolated. */
  async function plug(port: 0 | 1, mac: string): Promise<void> {
    await qmp.execute("netdev_add", { type: "hubport", id: `net${port}`, hubid: 0 });
    const device = { driver: "virtio-net-pci", id: `nic${port}`, bus: `port${port}`, netdev: `net${port}`, mac };
    await qmp.execute("device_add", device);
  }

  test("are found at their PCI path, even if they appear during the wait", async () => {
    await using client = await machine.connect();
    const wanted = { device: "eth0", name: "eth0", mtu: 1500, hwAddr: "02:00:00:00:99:01", devicePath: PORTS[0] };
    const updated = client.agent.updateInterface({ interface: wanted });
    await Promise.race([updated, sleep(300)]);
    expect(await machine.shell("ls /sys/class/net")).not.toContain("eth0");
    await plug(0, wanted.hwAddr);
    expect((await updated).name).toBe("eth0");
    await plug(1, "02:00:00:00:99:02");
    await client.agent.updateInterface({
      interface: { name: "net1", hwAddr: "02:00:00:00:99:02", devicePath: PORTS[1] },
    });
    expect((await machine.shell("ls /sys/class/net")).trim().split(/\s+/)).toEqual(["eth0", "lo", "net1"]);
  });

  test("are missing after they are unplugged, and found again when they are back", async () => {
    await using client = await machine.connect();
    const wanted = { name: "net1", hwAddr: "02:00:00:00:99:02" };
    await qmp.execute("device_del", { id: "nic1" });
    await qmp.event("DEVICE_DELETED", ({ device }) => device === "nic1");
    expect(await machine.shell("ls /sys/class/net")).not.toContain("net1");
    const { Interfaces } = await client.agent.listInterfaces({});
    expect(Interfaces.map(({ name }) => name).sort()).toEqual(["eth0", "lo"]);
    await expect(client.agent.updateInterface({ interface: wanted })).rejects.toThrow(
      `Link not found (Address: ${wanted.hwAddr})`,
    );
    await qmp.execute("netdev_del", { id: "net1" });
    await plug(1, wanted.hwAddr);
    await client.agent.updateInterface({ interface: { ...wanted, devicePath: PORTS[1] } });
    expect((await machine.shell("ls /sys/class/net")).trim().split(/\s+/)).toEqual(["eth0", "lo", "net1"]);
  });

  test("get the iptables modules loaded by CreateSandbox", async () => {
    await machine.shell("mount -t virtiofs modules /lib/modules");
    await using client = await machine.connect();
    await client.agent.createSandbox({
      sandbox_id: "pod",
      storages: [...machine.storages],
      kernel_modules: NETFILTER.map((name) => ({ name })),
    });
  });

  // Also over gRPC in namespaces: test/namespaces/network.test.ts.
  describe("in use", () => {
    let pod: Pod;
    beforeAll(async () => {
      pod = await Pod.open(machine);
    });
    afterAll(() => pod?.client.close());
    networkScenarios(() => pod);
    iptablesScenarios(() => pod);
  });
});
