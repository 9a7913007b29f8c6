import { listRoutes as list } from "../../network/routes.ts";
import { routesMessage } from "../routes-message.ts";
import type { Rpc } from "../rpc.ts";

export const listRoutes: Rpc<"ListRoutes"> = async ({ network }, _request, { signal }) =>
  routesMessage(await list(network, signal));
