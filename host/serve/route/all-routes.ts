import type { Route } from "../http/routes.ts";
import type { MeAnswer } from "../protocol/requests.ts";

/** Every request below /api but that for a session. */
export const allRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/api/me",
    handle: ({ context: { version, allowExec } }): MeAnswer => ({ version, allowExec }),
  },
];
