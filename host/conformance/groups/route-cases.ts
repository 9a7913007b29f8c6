import type { ConformanceCase } from "../case.ts";
import { equal, matches } from "../check.ts";
import { NAME, setUp } from "./spare-interface.ts";

/** Cases of routes and neighbours, with the interface that cases may change. */
export const routeCases: readonly ConformanceCase[] = [
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
];
