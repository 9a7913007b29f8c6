import type { Route } from "../../lib/ip-json.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { IP_FAMILY } from "./ip-family.ts";

export function routesMessage(routes: readonly Route[]): Init<grpc.Routes> {
  return { Routes: routes.map((route) => ({ ...route, family: IP_FAMILY[route.family] })) };
}
