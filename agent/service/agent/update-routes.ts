import { AgentError } from "../../kernel/error.ts";
import type { Route } from "../../network/routes.ts";
import { updateRoutes as update } from "../../network/update-routes.ts";
import { IP_FAMILY } from "../ip-family.ts";
import { routesMessage } from "../routes-message.ts";
import type { Rpc } from "../rpc.ts";

/** Replaces the routes and returns all routes of the main table. */
export const updateRoutes: Rpc<"UpdateRoutes"> = {
  afterDeath: "repeat",
  async handle({ network }, { routes }, { signal }) {
    if (routes === null) throw new AgentError("invalid-argument", "update routes: no routes are given");
    const wanted = routes.Routes.map(
      (route): Route => ({
        dest: route.dest,
        gateway: route.gateway,
        device: route.device,
        source: route.source,
        scope: route.scope,
        family: route.family === IP_FAMILY.v6 ? "v6" : "v4",
        flags: route.flags,
        mtu: route.mtu,
      }),
    );
    return routesMessage(await update(network, wanted, signal));
  },
};
