import { AgentError } from "../../kernel/error.ts";
import { updateRoutes as update } from "../../network/update-routes.ts";
import { routesMessage } from "../routes-message.ts";
import type { Rpc } from "../rpc.ts";
import { toRoute } from "../to-route.ts";

/** Replaces the routes and returns all routes of the main table. */
export const updateRoutes: Rpc<"UpdateRoutes"> = {
  afterDeath: "repeat",
  async handle({ network }, { routes }, { signal }) {
    if (routes === null) throw new AgentError("invalid-argument", "update routes: no routes are given");
    return routesMessage(await update(network, routes.Routes.map(toRoute), signal));
  },
};
