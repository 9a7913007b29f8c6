import { AgentError } from "../kernel/error.ts";
import type { DeviceNode } from "./block-node.ts";

/** A device that a host gives to a container. */
export interface DeviceRequest {
  /** blk, mmioblk, scsi, nvdimm, vfio-pci, vfio-pci-gk. */
  readonly type: string;
  /** Where it stands on its bus: PCI path, ID:LUN. */
  readonly id: string;
  /** Its path in the guest, as the host sees it. */
  readonly vmPath: string;
  readonly containerPath: string;
  /** Of VFIO: HOST-ADDRESS=PCI-PATH for each function of a group. */
  readonly options: readonly string[];
}

/** What a container gets of it. */
export interface AttachedDevice {
  readonly containerPath: string;
  /** Absent: a driver of the guest has it, and the container no node. */
  readonly node?: DeviceNode;
  /** The node is not at `containerPath` but at its own path in the guest: programs look for it by its number. */
  readonly ownPath?: true;
  /** PCI addresses by those that the same functions have on the host. */
  readonly pci: Readonly<Record<string, string>>;
  /** Nodes that programs need to use it; they stand at their own paths in the guest. */
  readonly beside?: readonly (DeviceNode & { readonly mode: number })[];
}

/** Throws for a request that no device could answer. */
export function checkDevice({ type, id, vmPath, containerPath }: DeviceRequest): void {
  const refuse = (why: string) => new AgentError("invalid-argument", `device ${JSON.stringify(containerPath)}: ${why}`);
  if (type === "") throw refuse("it has no type");
  if (id === "" && vmPath === "") throw refuse("it has neither an id nor a vm_path");
  if (!containerPath.startsWith("/") || containerPath.includes("\0")) throw refuse("that is no absolute path");
}
