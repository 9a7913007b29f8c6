import type { Route } from "../http/routes.ts";
import { actionRoutes } from "./action-routes.ts";
import { fileRoutes } from "./file-routes.ts";
import { guestRoutes } from "./guest-routes.ts";
import { reportRoutes } from "./report-routes.ts";
import { templateRoutes } from "./template-routes.ts";

/** Every request below /api but that for a session. */
export const allRoutes: readonly Route[] = [
  ...guestRoutes,
  ...fileRoutes,
  ...actionRoutes,
  ...templateRoutes,
  ...reportRoutes,
];
