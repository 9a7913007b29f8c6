import { connectLocal, relayFrom } from "../../client/streams/local-forward.ts";
import { cannotPublish, type PortForward } from "../../machine/port-forward.ts";
import type { WakingRelay } from "./waking-relay.ts";

/**
 * Listens until disposal at the TCP ports of the host that lead into a guest with a user network, instead of the guest's QEMU. A
 * connection is a use of the guest, and waits for it. Throws MachineError if a port is taken.
 */
export async function listenForUse(forwards: readonly PortForward[], relay: WakingRelay): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  for (const forward of forwards.filter(({ protocol }) => protocol === "tcp")) {
    const place = { host: forward.address, port: forward.hostPort };
    const open = async () => {
      await relay.guest();
      return await connectLocal(place);
    };
    const { close } = await relayFrom(place, open).catch((error: unknown) => {
      throw cannotPublish(forward, error);
    });
    undo.defer(close);
  }
  return undo.move();
}
