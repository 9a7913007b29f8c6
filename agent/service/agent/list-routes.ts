import { listRoutes as list } from "../../network/routes.ts";
import { routesMessage } from "../routes-message.ts";
import type { Rpc } from "../rpc.ts";

export const listRoutes: Rpc<"ListRoutes"> = {
  afterDeath: "repeat",
  handle: async ({ network }, _request, { signal }) => routesMessage(await list(network, signal)),
};
