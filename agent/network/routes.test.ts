import { expect, test } from "vitest";
import { listRoutes } from "./routes.ts";
import { testNetwork } from "./testing/test-network.ts";

const signal = new AbortController().signal;
const none = { gateway: "", source: "", scope: 0, flags: 0, mtu: 0 };

test("lists unicast routes with their family, and default routes by the names that hosts know", async () => {
  const network = testNetwork({
    routes: {
      v4: [
        {
          type: "1",
          dst: "default",
          gateway: "10.99.0.1",
          dev: "eth0",
          scope: "0",
          flags: [],
          metrics: [{ mtu: 1400 }],
        },
        { type: "1", dst: "10.99.0.0/24", dev: "eth0", scope: "253", prefsrc: "10.99.0.2", flags: ["linkdown"] },
        { type: "1", dst: "169.254.1.1", dev: "eth0", scope: "253", flags: ["onlink"] },
        { type: "6", dst: "10.7.0.0/16", scope: "0", flags: [] },
        { type: "1", dst: "10.8.0.0/16", via: { host: "fe80::1" }, dev: "eth0", scope: "0", flags: [] },
      ],
      v6: [
        { type: "1", dst: "fe80::/64", dev: "eth0", scope: "0", flags: [] },
        {
          dst: "default",
          nexthops: [
            { gateway: "fd00::1", dev: "eth0", flags: [] },
            { gateway: "fd00::3", dev: "eth1", flags: ["dead", "linkdown"] },
          ],
        },
      ],
    },
  });
  expect(await listRoutes(network, signal)).toEqual([
    { ...none, dest: "0.0.0.0", gateway: "10.99.0.1", device: "eth0", family: "v4", mtu: 1400 },
    { ...none, dest: "10.99.0.0/24", device: "eth0", source: "10.99.0.2", scope: 253, family: "v4", flags: 16 },
    { ...none, dest: "169.254.1.1/32", device: "eth0", scope: 253, family: "v4", flags: 4 },
    { ...none, dest: "10.8.0.0/16", gateway: "fe80::1", device: "eth0", family: "v4" },
    { ...none, dest: "fe80::/64", device: "eth0", family: "v6" },
    { ...none, dest: "::1", gateway: "fd00::1", device: "eth0", family: "v6" },
    { ...none, dest: "::1", gateway: "fd00::3", device: "eth1", family: "v6", flags: 17 },
  ]);
});

test("lists only IPv4 routes on a kernel without IPv6", async () => {
  const network = testNetwork({ files: { "/proc/sys/net/ipv6/conf/all/disable_ipv6": "1" } });
  expect(await listRoutes(network, signal)).toEqual([]);
  expect(network.runs).toHaveLength(1);
});
