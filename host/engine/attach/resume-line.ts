import type { Position } from "../../client/streams/position.ts";
import type { Target } from "../guest/guest-target.ts";
import type { ProcessName } from "../record/state-records.ts";

/** Returns the guestctl command that continues with a process at a position. */
export function resumeLine(
  { address, guest }: Target,
  { container, exec }: ProcessName,
  { stdout, stderr }: Position,
  {
    interactive = false,
    tty = false,
  }: { readonly interactive?: boolean | undefined; readonly tty?: boolean | undefined },
): string {
  const from = `--from ${stdout}${stderr === 0 ? "" : `,${stderr}`}`;
  const at = guest === undefined ? ` --address ${address}` : "";
  if (exec === container) return `guestctl attach${at}${interactive ? "" : " --no-stdin"} ${from} ${container}`;
  const where = guest === undefined ? ` ${container}` : "";
  return `guestctl exec${at}${interactive ? (tty ? " -it" : " -i") : ""} --resume ${exec} ${from}${where}`;
}
