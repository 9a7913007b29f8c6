import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { readRecording, requestsOf, toMessage } from "../recordings/read-recording.ts";

export type HostKind = "go-shim" | "runtime-rs";

/** Recordings of a host's execs, terminals and signals. */
export const RECORDED: Readonly<Record<HostKind, string>> = {
  "go-shim": "go-execs-tty-signals",
  "runtime-rs": "runtime-rs-execs-tty-signals",
};

export interface HostSpecParts {
  readonly id: string;
  readonly rootfs: string;
  readonly args: readonly string[];
  readonly terminal?: boolean;
  /** pod_sandbox and pod_container come from Kubernetes. */
  readonly type?: "single_container" | "pod_sandbox" | "pod_container";
  readonly mounts?: readonly Init<grpc.Mount>[];
  readonly linux?: Init<grpc.Linux>;
  /** True if its cgroup can have limits, which isn't so in namespaces of a machine whose cgroup2 has no controllers. */
  readonly limits: boolean;
}

/** Returns the spec that a shim was recorded to send, with another rootfs and other arguments. */
export function hostSpec(kind: HostKind, parts: HostSpecParts): Init<grpc.Spec> {
  const { id, rootfs, args, terminal = false, type = "single_container", mounts = [], linux = {}, limits } = parts;
  const spec = recordedSpec(RECORDED[kind]);
  const annotations = {
    "io.katacontainers.pkg.oci.container_type": type,
    "io.katacontainers.pkg.oci.bundle_path": `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}`,
  };
  return {
    ...spec,
    Process: { ...spec.Process, Args: args, Terminal: terminal },
    Root: { Path: rootfs },
    Mounts: [...(spec.Mounts ?? []), ...mounts],
    Annotations: kind === "runtime-rs" || type !== "single_container" ? annotations : {},
    Linux: { ...spec.Linux, CgroupsPath: `/default/${id}`, ...(limits ? {} : { Resources: null }), ...linux },
  };
}

function recordedSpec(recording: string): Init<grpc.Spec> {
  const [request = {}] = requestsOf(readRecording(recording), "CreateContainer");
  const message = toMessage("grpc.AgentService", "CreateContainer", request) as grpc.CreateContainerRequest;
  if (message.OCI === null) throw new Error(`${recording}: no CreateContainer with a spec`);
  return message.OCI;
}
