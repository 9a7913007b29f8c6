import type { HourStep } from "../step.ts";
import { INSTALL } from "./install.ts";
import { POSTGRES } from "./postgres.ts";
import { PYTHON } from "./python.ts";

/** The hour, in order: each group needs only `install` before it. */
export const GROUPS: Readonly<Record<string, readonly HourStep[]>> = {
  install: INSTALL,
  python: PYTHON,
  postgres: POSTGRES,
};
