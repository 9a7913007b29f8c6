export { CloudHypervisor, type CloudHypervisorOptions } from "./cloud-hypervisor.ts";
export type { CloudHypervisorClone } from "./cloud-hypervisor-clone.ts";
export { Firecracker, type FirecrackerClone, type FirecrackerOptions } from "./firecracker.ts";
export type { MachineControl, VmmVersion } from "./machine-control.ts";
export type { BootPaths, VmmManifest } from "./snapshot-manifest.ts";
export { type CloneIdentity, type CloneOptions, startClone } from "./start-clone.ts";
export { type SnapshotOptions, type TakenSnapshot, takeSnapshot } from "./take-snapshot.ts";
