import { parseAddress } from "../../client/address.ts";
import type { Target } from "../../conformance/target/target.ts";
import type { ConformanceFlags } from "./conformance-flags.ts";
import { parseSettings, wrongUsage } from "./wrong-usage.ts";

/** Returns the agent that an address or the flags name. Throws CliError for wrong usage. */
export async function chooseTarget(address: string | undefined, flags: ConformanceFlags): Promise<Target> {
  const { start, guest, restart, pid, interface: spare } = flags;
  const ways = [address, start, guest].filter((way) => way !== undefined);
  if (ways.length !== 1) throw wrongUsage("conformance: give exactly one of ADDRESS, --start and --guest");
  if (start !== undefined) {
    const { startedTarget } = await import("../../conformance/index.ts");
    if (!start.includes("{address}")) {
      throw wrongUsage("--start: the command has no {address}, the path of the socket to serve");
    }
    return startedTarget({ command: start, restart });
  }
  if (address === undefined) {
    const { guestTarget } = await import("../../conformance/target/guest-target.ts");
    return guestTarget();
  }
  const { addressTarget } = await import("../../conformance/index.ts");
  parseSettings(() => parseAddress(address));
  return parseSettings(() =>
    addressTarget(address, {
      restart: { command: restart, pid },
      interface: spare,
    }),
  );
}
