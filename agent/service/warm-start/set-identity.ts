import { reseedRandom } from "../../guest/reseed-random.ts";
import { MACHINE_ID, machineIdFrom, setMachineId } from "../../guest/warm-start/machine-id.ts";
import type { WarmStore } from "../../guest/warm-start/warm-record.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { monotonicMs } from "../../kernel/monotonic-ms.ts";
import type { Network } from "../../network/network.ts";
import { updateInterface } from "../../network/update-interface.ts";
import { updateRoutes } from "../../network/update-routes.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import type { CloneIdentity } from "./check-resumed.ts";

/** Time limit for all changes to the network. */
const NETWORK_MS = 30_000;

interface IdentityParts {
  readonly store: WarmStore;
  readonly kernel: Pick<Kernel, "sys" | "files">;
  readonly sandbox: Pick<Sandbox, "rename" | "updateDns">;
  readonly network: Network;
}

/** Gives the guest a clone's identity. Random numbers come first: everything later may draw some. */
export async function setIdentity(parts: IdentityParts, identity: CloneIdentity): Promise<void> {
  const { kernel, sandbox, network } = parts;
  const { entropy, hostname, machineId, interfaces, routes, dns } = identity;
  addEntropy(parts, identity);
  setClock(parts, identity);
  if (hostname !== "") await sandbox.rename(hostname);
  const isMounted = kernel.files
    .mounts()
    .split("\n")
    .some((line) => line.split(" ")[1] === MACHINE_ID.target);
  await setMachineId(kernel.sys, machineId || machineIdFrom(entropy), isMounted);
  const signal = AbortSignal.timeout(NETWORK_MS);
  for (const each of interfaces) await updateInterface(network, each, signal);
  if (routes.length > 0) await updateRoutes(network, routes, signal);
  await sandbox.updateDns(dns);
}

/** Mixes the host's randomness into the kernel's. */
export function addEntropy({ kernel }: Pick<IdentityParts, "kernel">, { entropy }: CloneIdentity): void {
  if (entropy.length > 0) reseedRandom(kernel.sys, entropy);
}

/**
 * Steps the clock to the given time. A repeated call brings the time of its first arrival, so what has passed since is added: the
 * step has the same effect however often it is taken.
 */
export function setClock({ kernel, store }: Pick<IdentityParts, "kernel" | "store">, { time }: CloneIdentity): void {
  if (time === undefined) return;
  const realtime = `${time.seconds}.${String(time.nanos).padStart(9, "0")}`;
  const { record } = store;
  const now = monotonicMs();
  const arrivedMs = record.clock?.realtime === realtime ? record.clock.arrivedMs : now;
  if (arrivedMs === now) store.write({ ...record, clock: { realtime, arrivedMs } });
  const micros = Math.round(time.nanos / 1000 + (monotonicMs() - arrivedMs) * 1000);
  kernel.sys.setTime(time.seconds + Math.floor(micros / 1e6), micros % 1e6);
}
