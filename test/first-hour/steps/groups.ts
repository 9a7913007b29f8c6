import type { HourStep } from "../step.ts";
import { DEV } from "./dev.ts";
import { EVERYDAY, REMOVAL } from "./everyday.ts";
import { INSTALL } from "./install.ts";
import { NGINX } from "./nginx.ts";
import { NODE } from "./node.ts";
import { POSTGRES } from "./postgres.ts";
import { PYTHON } from "./python.ts";
import { REDIS } from "./redis.ts";

/** The hour, in order: each group needs only `install` before it. */
export const GROUPS: Readonly<Record<string, readonly HourStep[]>> = {
  install: INSTALL,
  python: PYTHON,
  node: NODE,
  redis: REDIS,
  nginx: NGINX,
  dev: DEV,
  postgres: POSTGRES,
  everyday: EVERYDAY,
  removal: REMOVAL,
};
