import { guestRootStorage } from "../../../host/engine/guest/guest-root.ts";
import { SandboxGuest } from "../../../host/engine/guest/sandbox-guest.ts";
import { imageSpec } from "../../../host/engine/image/image-config.ts";
import { Samples } from "../samples.ts";

/** Containers of each clone, the first of which is cold if its template was not warmed. */
const CONTAINERS = 6;
const REMOVE_SECONDS = 30;
const PAUSE = { args: ["/pause_bundle/rootfs/pause"] };

/** Measures the CreateContainer calls of clones whose template has no containers, in ms. */
export class ContainerCreates {
  readonly first = new Samples();
  readonly later = new Samples();
  readonly #snapshot: string;

  constructor(snapshot: string) {
    this.#snapshot = snapshot;
  }

  async round(): Promise<void> {
    await using guest = await SandboxGuest.restore(this.#snapshot, { name: "creates", hasNoFolder: true });
    const { agent } = guest.client;
    for (let at = 0; at < CONTAINERS; at++) {
      const id = `container-${at}`;
      const rootfs = `/run/kata-containers/${id}/rootfs`;
      const OCI = imageSpec({ config: {} }, { host: "/nonexistent", guest: rootfs }, PAUSE);
      const request = { container_id: id, exec_id: id, OCI, storages: [guestRootStorage(rootfs)] };
      await (at === 0 ? this.first : this.later).time(() => agent.createContainer(request));
      await agent.startContainer({ container_id: id });
      await agent.removeContainer({ container_id: id, timeout: REMOVE_SECONDS });
    }
  }
}
