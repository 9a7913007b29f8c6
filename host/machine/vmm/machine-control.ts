/** A VMM's program. A snapshot is loaded only by the version that wrote it. */
export interface VmmVersion {
  readonly name: string;
  readonly version: string;
}

/**
 * Control of one virtual machine through its VMM. Each call rejects with a one-line MachineError. Folders are absolute
 * paths, as the VMM sees them.
 */
export interface MachineControl {
  vmm(): Promise<VmmVersion>;
  /** Stops the machine's processors. Its memory doesn't change until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Writes memory and devices of the paused machine into an existing folder, which is incomplete if the call fails. */
  snapshot(folder: string): Promise<void>;
  /** Loads a snapshot into a VMM that has no machine yet. The new machine is paused. */
  restore(folder: string): Promise<void>;
}
