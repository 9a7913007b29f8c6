import type { Route } from "../../lib/ip-json.ts";
import type { types } from "../../proto/gen/messages.js";
import { IP_FAMILY } from "./ip-family.ts";

export function toRoute({ dest, gateway, device, source, scope, family, flags, mtu }: types.Route): Route {
  return { dest, gateway, device, source, scope, family: family === IP_FAMILY.v6 ? "v6" : "v4", flags, mtu };
}
