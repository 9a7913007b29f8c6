import type { AttachedDevice } from "../../device/attach-device.ts";
import type { DeviceNode } from "../../device/block-node.ts";
import { Devices, type DiskKind } from "../../device/devices.ts";

/** Devices that are there at once. The disk of a kind at an address is /dev/KIND-ADDRESS, its partitions /dev/KIND-ADDRESSpN. */
export class FoundDevices extends Devices {
  readonly #attached: readonly AttachedDevice[];

  constructor({ attached = [] }: { readonly attached?: readonly AttachedDevice[] } = {}) {
    super();
    this.#attached = attached;
  }

  override async attach(): Promise<AttachedDevice[]> {
    return [...this.#attached];
  }

  override async disk(kind: DiskKind, address: string): Promise<DeviceNode> {
    return nodeAt(`/dev/${kind}-${address}`);
  }

  override async partition(path: string, number: number): Promise<DeviceNode> {
    return nodeAt(`${path}p${number}`);
  }
}

const nodeAt = (path: string): DeviceNode => ({ type: "b", major: 254, minor: 0, path });
