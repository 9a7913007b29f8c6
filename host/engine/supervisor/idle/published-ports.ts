import { connectLocal, relayFrom } from "../../../client/streams/local-forward.ts";
import { cannotPublish, type PortForward } from "../../../vm/port-forward.ts";
import type { Qmp } from "../../../vm/qmp.ts";
import { addForwards, removeForwards } from "../../../vm/user-network.ts";
import type { WakingRelay } from "./waking-relay.ts";

/**
 * TCP ports of the host that lead into a guest with a user network. While the guest runs its QEMU listens there, otherwise this
 * process: then a connection is a use of the guest, and waits for it.
 */
export class PublishedPorts implements AsyncDisposable {
  readonly #relay: WakingRelay;
  #listening: AsyncDisposable | undefined;

  constructor(relay: WakingRelay) {
    this.#relay = relay;
  }

  /** Listens instead of QEMU, if there is one. Throws MachineError. */
  async take(forwards: readonly PortForward[], qmp?: Pick<Qmp, "execute">): Promise<void> {
    if (this.#listening !== undefined) return;
    if (qmp !== undefined) await removeForwards(qmp, forwards);
    this.#listening = await this.#listen(forwards);
  }

  /** Leaves the ports to QEMU. Connections that wait stay open. Throws MachineError if another program has taken one. */
  async give(forwards: readonly PortForward[], qmp: Pick<Qmp, "execute">): Promise<void> {
    await this[Symbol.asyncDispose]();
    await addForwards(qmp, forwards);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listening?.[Symbol.asyncDispose]();
    this.#listening = undefined;
  }

  async #listen(forwards: readonly PortForward[]): Promise<AsyncDisposable> {
    await using undo = new AsyncDisposableStack();
    for (const forward of forwards.filter(({ protocol }) => protocol === "tcp")) {
      const place = { host: forward.address, port: forward.hostPort };
      const open = async () => {
        await this.#relay.guest();
        return await connectLocal(place);
      };
      const { close } = await relayFrom(place, open).catch((error: unknown) => {
        throw cannotPublish(forward, error);
      });
      undo.defer(close);
    }
    return undo.move();
  }
}
