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
  /** Devices of its spec, to be found in the guest. */
  readonly devices?: readonly DeviceRequest[];
  readonly sharedMounts: readonly SharedMount[];
  /** Of its process, by name. */
  readonly user?: NamedUser | undefined;
  /** It joins the sandbox's pid namespace (that of the first container). */
  readonly sharePid: boolean;
  /** Streams of the host for its first process. The caller closes them after a failure. */
  readonly passed?: PassedStdio | undefined;
  /** Called when its first process stands ready; what follows the next agent does by itself. */
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

/** What a container has of its pod. */
export interface PodParts {
  readonly hostname: string;
  /** Of the guest's own directory. */
  readonly hooks?: HooksSpec | undefined;
}
