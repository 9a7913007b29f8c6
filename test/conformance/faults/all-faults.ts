import { containerFaults } from "./container-faults.ts";
import type { Fault } from "./fault.ts";
import { framingFaults } from "./framing-faults.ts";
import { processFaults } from "./process-faults.ts";
import { sandboxFaults } from "./sandbox-faults.ts";
import { specFaults } from "./spec-faults.ts";
import { stdioFaults } from "./stdio-faults.ts";

/** All single faults that a suite should notice. */
export const FAULTS: readonly Fault[] = [
  ...framingFaults(),
  ...stdioFaults(),
  ...processFaults(),
  ...containerFaults(),
  ...specFaults(),
  ...sandboxFaults(),
];
