import type { Container } from "../container/container.ts";
import type { HooksSpec } from "../container/hooks/hooks.ts";
import type { PassedStdio } from "../container/passfd/passed-stream.ts";
import type { NamedUser } from "../container/process/named-user.ts";
import type { SharedMount } from "../container/shared-mounts.ts";
import type { ProcessSpec, Spec } from "../container/spec.ts";
import type { DeviceRequest } from "../device/attach-device.ts";
import type { Storage } from "../storage/storage.ts";

export interface ContainerRequest {
  readonly id: string;
  readonly spec: Spec;
  readonly storages: readonly Storage[];
  /** Devices of the spec that the guest has to find. */
  readonly devices?: readonly DeviceRequest[];
  readonly sharedMounts: readonly SharedMount[];
  /** The process's user, by name. */
  readonly user?: NamedUser | undefined;
  /** True to join the sandbox's pid namespace (that of the first container). */
  readonly sharePid: boolean;
  /** The host's streams for the first process's stdio. The caller closes them after a failure. */
  readonly passed?: PassedStdio | undefined;
  /** Called when the first process is ready to start. The next agent completes the rest by itself. */
  readonly onReady?: () => void;
}

/** A further process in a container. */
export interface ExecRequest {
  readonly container: Container;
  readonly execId: string;
  readonly process: ProcessSpec;
  /** The process's user by name, looked up in the container's files. */
  readonly user?: NamedUser | undefined;
  /** The host's streams for its stdio. The caller closes them after a failure. */
  readonly passed?: PassedStdio | undefined;
}

/** Settings of the pod that each of its containers gets. */
export interface PodParts {
  readonly hostname: string;
  /** Hooks from the guest's own directory. */
  readonly hooks?: HooksSpec | undefined;
}
