import { setTimeout as delay } from "node:timers/promises";
import { limitGuestCgroup } from "./cgroup/guest-cgroup.ts";
import type { Machine } from "./guest-options.ts";
import { MachineError } from "./machine-error.ts";
import type { Qmp } from "./qmp.ts";

const MIB = 1 << 20;
/** With less, a guest's agent has no room. */
const LEAST_MIB = 128;
/** Time in milliseconds in which a guest has to give memory back. */
const [LIMIT_MS, POLL_MS] = [30_000, 50];

/**
 * Leaves a running machine this much of its memory; a balloon takes the rest. The limit of its cgroup follows. Calls `note` with
 * each size before the guest's kernel is asked for it. Throws MachineError; then the machine has as much as before.
 */
export async function resizeMemory(
  qmp: Qmp,
  { memoryMib: most, usableMib: before = most, returnsMemory }: Machine,
  mib: number,
  cgroup: string | undefined,
  note: (mib: number) => void,
): Promise<void> {
  if (!returnsMemory) throw new MachineError("it has no balloon, as with the kernel's vsock device");
  if (!(Number.isInteger(mib) && mib >= LEAST_MIB && mib <= most)) {
    throw new MachineError(`it can have ${LEAST_MIB} to ${most} MiB, not ${mib}; boot one with --vm-memory for more`);
  }
  const set = async (value: number) => {
    if (cgroup !== undefined && value > before) limitGuestCgroup(cgroup, value);
    note(value);
    await qmp.execute("balloon", { value: value * MIB });
  };
  await set(mib);
  const end = performance.now() + LIMIT_MS;
  // The guest's kernel reports this number; the cgroup's limit is what holds.
  const actual = async () => ((await qmp.execute("query-balloon")) as { readonly actual: number }).actual / MIB;
  while (mib < before ? (await actual()) > mib : (await actual()) < mib) {
    if (performance.now() > end) {
      await set(before);
      throw new MachineError(`its programs use more than ${mib} MiB; end some, or leave it more`);
    }
    await delay(POLL_MS);
  }
  if (cgroup !== undefined) limitGuestCgroup(cgroup, mib);
}
