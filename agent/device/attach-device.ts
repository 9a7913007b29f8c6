import { invalidArgument } from "../kernel/invalid-argument.ts";
import type { DeviceNode } from "./block-node.ts";

/** A device that a host requests for a container. */
export interface DeviceRequest {
  /** blk, mmioblk, scsi, nvdimm, vfio-pci, vfio-pci-gk. */
  readonly type: string;
  /** Its address on its bus: PCI path or ID:LUN. */
  readonly id: string;
  /** Its path in the guest, as the host sees it. */
  readonly vmPath: string;
  readonly containerPath: string;
  /** HOST-ADDRESS=PCI-PATH for each function of a VFIO group. */
  readonly options: readonly string[];
}

/** What a container gets for one request. */
export interface AttachedDevice {
  readonly containerPath: string;
  /** Absent if a guest driver keeps the device; the container then gets no node. */
  readonly node?: DeviceNode;
  /** Set if the node is at its own path in the guest instead of `containerPath`: programs look for it by number. */
  readonly ownPath?: true;
  /** PCI addresses in the guest by those on the host. */
  readonly pci: Readonly<Record<string, string>>;
  /** Further nodes that programs need, at their own paths in the guest. */
  readonly beside?: readonly (DeviceNode & { readonly mode: number })[];
}

/** Throws for a request that no device can satisfy. */
export function checkDevice({ type, id, vmPath, containerPath }: DeviceRequest): void {
  const refuse = (why: string) => invalidArgument(`device ${JSON.stringify(containerPath)}: ${why}`);
  if (type === "") throw refuse("it has no type");
  if (id === "" && vmPath === "") throw refuse("it has neither an id nor a vm_path");
  if (!containerPath.startsWith("/") || containerPath.includes("\0"))
    throw refuse("the container path is not absolute");
}
