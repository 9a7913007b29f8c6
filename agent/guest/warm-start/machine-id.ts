import { closeSync, constants, existsSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { crypto } from "../../kernel/builtin.ts";
import { MS_BIND } from "../../kernel/constants.ts";
import type { Sys } from "../../kernel/kernel.ts";

const LABEL = "guestd machine-id\0";

/** Paths of the guest's machine id. */
export const MACHINE_ID = { source: "/run/machine-id", target: "/etc/machine-id" } as const;

/** Derives 32 hexadecimal digits from a clone's entropy, which they don't reveal. */
export function machineIdFrom(entropy: Uint8Array): string {
  return crypto()
    .hash("sha256", Buffer.concat([Buffer.from(LABEL), entropy]))
    .slice(0, 32);
}

/**
 * Gives the guest a machine id: writes it to a file in /run and, if the image has an /etc/machine-id, binds the file over it, as the
 * root is read-only. `isMounted` is true if that has been done before; the file is then rewritten in place.
 */
export async function setMachineId(
  sys: Pick<Sys, "mount">,
  id: string,
  isMounted: boolean,
  { source, target }: { readonly source: string; readonly target: string } = MACHINE_ID,
): Promise<void> {
  const fd = openSync(source, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o444);
  try {
    ftruncateSync(fd, writeSync(fd, `${id}\n`, 0));
  } finally {
    closeSync(fd);
  }
  if (!isMounted && existsSync(target)) await sys.mount(source, target, "", MS_BIND, "");
}
