import type { types } from "../../proto/gen/messages.js";
import type { Route } from "../network/routes.ts";
import { IP_FAMILY } from "./ip-family.ts";

export function toRoute({ dest, gateway, device, source, scope, family, flags, mtu }: types.Route): Route {
  return { dest, gateway, device, source, scope, family: family === IP_FAMILY.v6 ? "v6" : "v4", flags, mtu };
}
