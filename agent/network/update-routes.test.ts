import { describe, expect, test } from "vitest";
import type { Route } from "../../lib/ip-json.ts";
import { type TestNetworkOptions, testNetwork } from "./testing/test-network.ts";
import { updateRoutes } from "./update-routes.ts";

const eth0: Route = { dest: "", gateway: "", device: "eth0", source: "", scope: 0, family: "v4", flags: 0, mtu: 0 };
const SHOW = "route show table main";
const signal = new AbortController().signal;
const devices = [{ name: "eth0" }, { name: "eth1" }];

async function lines(
  routes: readonly Partial<Route>[],
  options: TestNetworkOptions = {},
): Promise<readonly string[][]> {
  const network = testNetwork({ devices, ...options });
  const all = routes.map((route) => ({ ...eth0, ...route }));
  await updateRoutes(network, all, signal);
  return network.batches.map((batch) => batch.filter((line) => line !== SHOW));
}

describe("a route update", () => {
  test.each<[Partial<Route>, string]>([
    [{ gateway: "10.99.0.1" }, "route replace 0.0.0.0/0 via 10.99.0.1 dev eth0 proto boot scope 0"],
    [{ dest: "0.0.0.0/0", gateway: "10.99.0.1" }, "route replace 0.0.0.0/0 via 10.99.0.1 dev eth0 proto boot scope 0"],
    [{ dest: "0.0.0.0", gateway: "10.99.0.1" }, "route replace 0.0.0.0/0 via 10.99.0.1 dev eth0 proto boot scope 0"],
    [
      { dest: "10.5.0.0/16", source: "10.5.0.2", scope: 253, mtu: 1400 },
      "route replace 10.5.0.0/16 dev eth0 proto boot scope 253 src 10.5.0.2 mtu 1400",
    ],
    [{ dest: "169.254.1.1", scope: 253 }, "route replace 169.254.1.1/32 dev eth0 proto boot scope 253"],
    [{ gateway: "fd00::1", family: "v6" }, "route replace ::/0 via fd00::1 dev eth0 proto boot"],
    [{ gateway: "fd00::1" }, "route replace ::/0 via fd00::1 dev eth0 proto boot"],
    [{ dest: "fd01::/64", source: "fd02::/64" }, "route replace fd01::/64 dev eth0 proto boot from fd02::/64"],
    [{ dest: "::", family: "v6" }, "route replace ::/0 dev eth0 proto boot"],
    [{ family: "v6" }, "route replace ::/0 dev eth0 proto boot"],
    [
      { dest: "10.0.0.0/8", gateway: "fe80::1", flags: 4 },
      "route replace 10.0.0.0/8 via inet6 fe80::1 dev eth0 proto boot scope 0 onlink",
    ],
    // flags that a host copies from its own kernel: dead, offloaded, no carrier
    [{ dest: "10.0.0.0/8", flags: 1 | 8 | 16 | 2 }, "route replace 10.0.0.0/8 dev eth0 proto boot scope 0 pervasive"],
  ])("turns %j into one line for ip", async (route, line) => {
    expect(await lines([route])).toEqual([[line]]);
  });

  test("adds routes without a gateway first and otherwise keeps the order", async () => {
    const given = ["a:10.1.0.0/16", ":10.2.0.0/16", "a:10.3.0.0/16", ":10.4.0.0/16"].map((text) => {
      const [gateway, dest = ""] = text.split(":");
      return { dest, gateway: gateway === "" ? "" : "10.2.0.1" };
    });
    const [batch = []] = await lines(given);
    expect(batch.map((line) => line.split(" ")[2])).toEqual([
      "10.2.0.0/16",
      "10.4.0.0/16",
      "10.1.0.0/16",
      "10.3.0.0/16",
    ]);
  });

  test("skips routes that exist and adds those after them", async () => {
    const failures = ["RTNETLINK answers: File exists\nCommand failed -:2\n", undefined];
    const three = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"].map((dest) => ({ dest }));
    const batches = await lines(three, { failures });
    expect(batches.map((batch) => batch.length)).toEqual([3, 1]);
    expect(batches[1]?.[0]).toContain("10.3.0.0/16");
  });

  test("reports the command and the reason when the kernel refuses a route", async () => {
    const failures = ["Error: Nexthop has invalid gateway.\nCommand failed -:1\n"];
    await expect(lines([{ gateway: "1.2.3.4" }], { failures })).rejects.toThrow(
      "ip route replace 0.0.0.0/0 via 1.2.3.4 dev eth0 proto boot scope 0: Nexthop has invalid gateway.",
    );
  });

  test("refuses a route on a missing device and adds none", async () => {
    const network = testNetwork({ devices });
    const routes = [eth0, { ...eth0, device: "eth7" }];
    await expect(updateRoutes(network, routes, signal)).rejects.toThrow(
      "update routes: Link not found (Name: eth7); present: eth0, eth1",
    );
    expect(network.batches).toEqual([]);
  });

  test("changes nothing for an empty list and returns all routes", async () => {
    const network = testNetwork({ devices });
    await updateRoutes(network, [], signal);
    expect(network.batches).toEqual([[SHOW]]);
  });

  test.each<[Partial<Route>, string]>([
    [{ device: "" }, "routes[1].device"],
    [{ device: "eth0 up" }, "routes[1].device"],
    [{ dest: "10.0.0.0/33" }, "routes[1].dest"],
    [{ dest: "10.0.0.0/8/8" }, "routes[1].dest"],
    [{ dest: "default" }, "routes[1].dest"],
    [{ dest: "10.0.0.0/8 dev lo" }, "routes[1].dest"],
    [{ gateway: "10.0.0.1/8" }, "routes[1].gateway"],
    [{ source: "somewhere" }, "routes[1].source"],
    [{ scope: 256 }, "routes[1].scope"],
    [{ dest: "fd00::/8", gateway: "10.0.0.1" }, "belong to different IP families"],
    [{ dest: "fd00::/8", source: "10.0.0.1" }, "belong to different IP families"],
    [{ dest: "10.0.0.0/8", family: "v6" }, "belong to different IP families"],
  ])("refuses %j and runs nothing", async (route, why) => {
    const network = testNetwork({ devices });
    await expect(updateRoutes(network, [eth0, { ...eth0, ...route }], signal)).rejects.toThrow(why);
    expect(network.runs).toEqual([]);
  });
});
