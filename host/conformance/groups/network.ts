import type { Init } from "../../../proto/codec.ts";
import type { types } from "../../../proto/gen/messages.js";
import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, holds, matches, refused } from "../check.ts";

const NAME = "conf0";
const ADDRESS = { address: "10.199.0.2", mask: "24" };

/** Sets up the interface that cases may change. */
async function setUp(context: CaseContext, parts: Init<types.Interface> = {}): Promise<types.Interface> {
  const hwAddr = await context.session.interfaceAddress();
  const wanted = { device: NAME, name: NAME, IPAddresses: [ADDRESS], mtu: 1450, hwAddr, type: "veth" };
  return context.agent.updateInterface({ interface: { ...wanted, ...parts } });
}

/** Returns the interface as ListInterfaces shows it. */
async function listed(context: CaseContext): Promise<types.Interface> {
  const hwAddr = await context.session.interfaceAddress();
  const { Interfaces } = await context.agent.listInterfaces({});
  const found = Interfaces.find((one) => one.hwAddr.toLowerCase() === hwAddr);
  holds(
    found !== undefined,
    `ListInterfaces has ${hwAddr}`,
    Interfaces.map((one) => one.hwAddr),
  );
  return found;
}

/** Skips the case if the call fails because the agent's kernel lacks netfilter. */
function netfilter<T>(context: CaseContext, call: Promise<T>): Promise<T> {
  return call.catch((error: Error) => {
    if (/initialize|not supported|Table does not exist/i.test(error.message)) {
      context.skip("the agent's kernel has no netfilter");
    }
    throw error;
  });
}

export const network: CaseGroup = {
  name: "network",
  title: "Network",
  cases: [
    {
      name: "ListInterfaces: includes the loopback interface",
      level: "must",
      source: "agent.proto, ListInterfaces",
      run: async ({ agent }) => {
        const { Interfaces } = await agent.listInterfaces({});
        holds(
          Interfaces.some(({ name }) => name === "lo"),
          "lo is listed",
          Interfaces.map(({ name }) => name),
        );
      },
    },
    {
      name: "ListRoutes: answers",
      level: "must",
      source: "agent.proto, ListRoutes",
      run: ({ agent }) => agent.listRoutes({}),
    },
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
      level: "must",
      source: "behaviour of the reference",
      needs: ["interface"],
      run: async (context) => {
        await setUp(context);
        await setUp(context, { IPAddresses: [{ address: "10.199.0.3", mask: "24" }] });
        const { IPAddresses } = await listed(context);
        const v4 = IPAddresses.filter(({ family }) => family === 0).map(({ address }) => address);
        equal(v4, ["10.199.0.3"], "the IPv4 addresses");
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
      name: "UpdateRoutes: a default route with an empty destination is set",
      level: "must",
      source: "Go shim and runtime-rs, default route",
      needs: ["interface"],
      run: async (context) => {
        await setUp(context);
        await context.agent.updateRoutes({ routes: { Routes: [{ gateway: "10.199.0.1", device: NAME }] } });
        matches(await context.print("ip route"), /^default via 10\.199\.0\.1 dev conf0/m, "the container's routes");
      },
    },
    {
      name: "UpdateRoutes: returns the routes, the default one as 0.0.0.0",
      level: "should",
      source: "behaviour of the reference",
      needs: ["interface"],
      run: async (context) => {
        await setUp(context);
        const request = { routes: { Routes: [{ gateway: "10.199.0.1", device: NAME }] } };
        const { Routes } = await context.agent.updateRoutes(request);
        const found = Routes.find(({ gateway }) => gateway === "10.199.0.1");
        equal(found?.dest, "0.0.0.0", "the destination");
      },
    },
    {
      name: "UpdateRoutes: a gateway off the link is reachable by a route that follows it",
      level: "must",
      source: "behaviour of the reference: routes without a gateway first; Calico",
      needs: ["interface"],
      run: async (context) => {
        await setUp(context);
        const Routes = [
          { dest: "10.177.0.0/16", gateway: "169.254.1.1", device: NAME },
          { dest: "169.254.1.1/32", device: NAME, scope: 253 },
        ];
        await context.agent.updateRoutes({ routes: { Routes } });
        matches(await context.print("ip route"), /^10\.177\.0\.0\/16 via 169\.254\.1\.1/m, "the container's routes");
      },
    },
    {
      name: "UpdateRoutes: a route that exists already is no error",
      level: "must",
      source: "behaviour of the reference: EEXIST is ignored",
      needs: ["interface"],
      run: async (context) => {
        await setUp(context);
        const routes = { Routes: [{ dest: "10.178.0.0/16", device: NAME, scope: 253 }] };
        await context.agent.updateRoutes({ routes });
        await context.agent.updateRoutes({ routes });
      },
    },
    {
      name: "AddARPNeighbors: a permanent neighbour is set",
      level: "should",
      source: "runtime-rs, permanent entries; Go shim tolerates UNIMPLEMENTED",
      needs: ["interface"],
      run: async (context) => {
        await setUp(context);
        const entry = {
          toIPAddress: { address: "10.199.0.77" },
          device: NAME,
          lladdr: "02:00:00:00:00:77",
          state: 128,
        };
        await context.agent.addARPNeighbors({ neighbors: { ARPNeighbors: [entry] } });
        matches(await context.print("cat /proc/net/arp"), /^10\.199\.0\.77 .*02:00:00:00:00:77/m, "the table");
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
    {
      name: "GetIPTables: returns the text of iptables-save",
      level: "should",
      source: "Go shim, kata-runtime iptables",
      needs: ["own-agent"],
      run: async (context) => {
        const { data } = await netfilter(context, context.agent.getIPTables({ is_ipv6: false }));
        const text = Buffer.from(data).toString();
        holds(text === "" || /^(#|\*)/m.test(text), "it has comments or tables", text.slice(0, 200));
      },
    },
    {
      name: "SetIPTables: GetIPTables returns a chain that was set",
      level: "should",
      source: "Go shim, kata-runtime iptables",
      needs: ["own-agent"],
      run: async (context) => {
        const set = (text: string) => context.agent.setIPTables({ is_ipv6: false, data: Buffer.from(text) });
        await netfilter(context, set("*filter\n:CONFORMANCE - [0:0]\nCOMMIT\n"));
        const { data } = await context.agent.getIPTables({ is_ipv6: false });
        await set("*filter\nCOMMIT\n");
        matches(Buffer.from(data).toString(), /^:CONFORMANCE /m, "the text");
      },
    },
  ],
};
