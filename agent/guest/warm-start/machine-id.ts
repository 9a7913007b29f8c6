import { closeSync, constants, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { MS_BIND } from "../../kernel/constants.ts";
import type { Sys } from "../../kernel/kernel.ts";

export interface MachineIdPaths {
  /** File that holds the id. */
  readonly source: string;
  /** Where programs look for it. */
  readonly target: string;
}

/** The guest's paths. */
export const MACHINE_ID: MachineIdPaths = { source: "/run/machine-id", target: "/etc/machine-id" };

/** Returns 32 hexadecimal digits from the kernel's generator. */
export function randomMachineId(): string {
  return readFileSync("/proc/sys/kernel/random/uuid", "utf8").trim().replaceAll("-", "");
}

/**
 * Gives the guest a machine id: writes it to a file in /run and, if the image has an /etc/machine-id, binds the file over it, as the
 * root is read-only. `isMounted` is true if that has been done before; the file is then rewritten in place.
 */
export async function setMachineId(
  sys: Pick<Sys, "mount">,
  id: string,
  isMounted: boolean,
  { source, target }: MachineIdPaths = MACHINE_ID,
): Promise<void> {
  const fd = openSync(source, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  try {
    ftruncateSync(fd, writeSync(fd, `${id}\n`, 0));
  } finally {
    closeSync(fd);
  }
  if (!isMounted && existsSync(target)) await sys.mount(source, target, "", MS_BIND, "");
}
