import type { CaseGroup } from "./case.ts";
import { concurrency } from "./groups/concurrency.ts";
import { containers } from "./groups/containers.ts";
import { copyFile } from "./groups/copy-file.ts";
import { deadlines } from "./groups/deadlines.ts";
import { devices } from "./groups/devices.ts";
import { errors } from "./groups/errors.ts";
import { exec } from "./groups/exec.ts";
import { faults } from "./groups/faults.ts";
import { framing } from "./groups/framing.ts";
import { guestd } from "./groups/guestd.ts";
import { health } from "./groups/health.ts";
import { memory } from "./groups/memory.ts";
import { network } from "./groups/network.ts";
import { ociLinux } from "./groups/oci-linux.ts";
import { ociMounts } from "./groups/oci-mounts.ts";
import { ociProcess } from "./groups/oci-process.ts";
import { pod } from "./groups/pod.ts";
import { policy } from "./groups/policy.ts";
import { sandbox } from "./groups/sandbox.ts";
import { shutdown } from "./groups/shutdown.ts";
import { signals } from "./groups/signals.ts";
import { statistics } from "./groups/statistics.ts";
import { stdio } from "./groups/stdio.ts";
import { storages } from "./groups/storages.ts";
import { tty } from "./groups/tty.ts";

/** All groups in the order in which they run. */
export const GROUPS: readonly CaseGroup[] = [
  health,
  sandbox,
  containers,
  pod,
  stdio,
  tty,
  exec,
  signals,
  errors,
  statistics,
  copyFile,
  memory,
  framing,
  deadlines,
  concurrency,
  ociProcess,
  ociMounts,
  ociLinux,
  storages,
  devices,
  network,
  faults,
  policy,
  guestd,
  shutdown,
];
