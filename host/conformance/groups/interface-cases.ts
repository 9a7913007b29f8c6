import type { ConformanceCase } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";
import { ADDRESS, listed, NAME, setUp } from "./spare-interface.ts";

/** Cases of UpdateInterface and ListInterfaces, with the interface that cases may change. */
export const interfaceCases: readonly ConformanceCase[] = [
  {
    name: "UpdateInterface: finds an interface by its MAC address and echoes the request",
    level: "must",
    source: "Go shim and runtime-rs, start of a sandbox",
    needs: ["interface"],
    run: async (context) => {
      const { name, mtu, IPAddresses } = await setUp(context);
      equal([name, mtu, IPAddresses.map(({ address }) => address)], [NAME, 1450, [ADDRESS.address]], "the answer");
    },
  },
  {
    name: "UpdateInterface: containers see name, address and MTU, and the interface is up",
    level: "must",
    source: "Kubernetes, a pod's network",
    needs: ["interface"],
    run: async (context) => {
      await setUp(context);
      const text = await context.print(`ip addr show dev ${NAME}`);
      matches(text, /[<,]UP[,>].* mtu 1450/, "the flags and MTU");
      matches(text, /inet 10\.199\.0\.2\/24/, "the address");
    },
  },
  {
    name: "UpdateInterface: addresses are replaced, not added",
    level: "should",
    source: "agent.proto, UpdateInterface; hosts send an interface's addresses once",
    needs: ["interface"],
    run: async (context) => {
      await setUp(context);
      await setUp(context, { IPAddresses: [{ address: "10.199.0.3", mask: "24" }] });
      const text = await context.print(`ip addr show dev ${NAME}`);
      equal(text.match(/(?<=inet )\S+/g), ["10.199.0.3/24"], "the IPv4 addresses");
    },
  },
  {
    name: "UpdateInterface: gives the interface its name",
    level: "must",
    source: "Kubernetes, eth0 of a pod",
    needs: ["interface"],
    run: async (context) => {
      await setUp(context, { name: "conf7", device: "conf7" });
      equal((await listed(context)).name, "conf7", "the name");
      await setUp(context);
      equal((await listed(context)).name, NAME, "the name after the next update");
    },
  },
  {
    name: "ListInterfaces: reports what UpdateInterface has set",
    level: "should",
    source: "agent.proto, ListInterfaces",
    needs: ["interface"],
    run: async (context) => {
      await setUp(context);
      const { name, mtu } = await listed(context);
      equal([name, mtu], [NAME, 1450], "name and MTU");
    },
  },
  {
    name: "ListInterfaces: an IPv4 address has the family 0",
    level: "should",
    source: "types.proto, IPFamily",
    needs: ["interface"],
    run: async (context) => {
      await setUp(context);
      const { IPAddresses } = await listed(context);
      const found = IPAddresses.find(({ address }) => address === ADDRESS.address);
      equal(found?.family, 0, `the family of ${ADDRESS.address}`);
    },
  },
  {
    name: "UpdateInterface: an impossible address is refused and changes nothing",
    level: "should",
    source: "agent.proto, IPAddress",
    needs: ["interface"],
    run: async (context) => {
      await setUp(context);
      await refused(setUp(context, { IPAddresses: [{ address: "10.0.0.300", mask: "8" }] }));
      const { IPAddresses } = await listed(context);
      holds(
        IPAddresses.some(({ address }) => address === ADDRESS.address),
        "the old address is kept",
        IPAddresses,
      );
    },
  },
  {
    name: "UpdateInterface: IPv6 addresses are set",
    level: "should",
    source: "Kubernetes, dual-stack pods",
    needs: ["interface"],
    run: async (context) => {
      const IPAddresses = [ADDRESS, { family: 1, address: "fd00:199::2", mask: "64" }];
      await setUp(context, { IPAddresses });
      const text = await context.print("cat /proc/net/if_inet6 2>/dev/null || true");
      if (text === "") context.skip("the agent's kernel has no IPv6");
      matches(text, /^fd000199000000000000000000000002 .*conf0$/m, "the addresses");
    },
  },
];
