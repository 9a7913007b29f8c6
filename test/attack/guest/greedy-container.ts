import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { ociSpec } from "../../scenarios/oci.ts";
import type { Pod } from "../../scenarios/pod.ts";

const MIB = 1 << 20;
const MAP = [{ HostID: 100_000, ContainerID: 0, Size: 65_536 }];

export interface Attack {
  /** A resource of hog.c. */
  readonly resource: string;
  readonly workers?: number;
  /** How many to take; all by default. */
  readonly most?: number;
  /** For resources that are files. */
  readonly directory?: string;
  /** In a user namespace of its own, with CAP_SYS_ADMIN there. */
  readonly inUser?: true;
  readonly mounts?: Init<grpc.Mount>[];
}

export interface GreedyContainer {
  readonly id: string;
  /** How many it got, and the errno that it ended with or "-". */
  readonly taken: number;
  readonly error: string;
  remove(): Promise<void>;
}

/** Starts a container with uid 0, no capabilities and 64 MiB of memory that holds all it got of a resource. */
export async function startGreedy(pod: Pod, rootfs: string, attack: Attack): Promise<GreedyContainer> {
  const { Process, Linux, Mounts } = ociSpec(rootfs, []);
  const caps = attack.inUser ? ["CAP_SYS_ADMIN"] : [];
  const Namespaces = [...(Linux?.Namespaces ?? []), ...(attack.inUser ? [{ Type: "user" }] : []), { Type: "cgroup" }];
  // Namespaces of a host have no memory controller of their own.
  const Resources = pod.machine.real ? { Memory: { Limit: 64 * MIB } } : {};
  const mappings = attack.inUser ? { UIDMappings: MAP, GIDMappings: MAP } : {};
  const id = await pod.start([], {
    Process: {
      ...Process,
      Args: ["sleep", "100000"],
      Capabilities: { Bounding: caps, Effective: caps, Permitted: caps },
    },
    Root: { Path: rootfs },
    Mounts: [...(Mounts ?? []), ...(attack.mounts ?? [])],
    Linux: { ...Linux, ...mappings, Namespaces, Resources },
  });
  const { resource, workers = 1, most = Number.MAX_SAFE_INTEGER, directory = "/dev/shm" } = attack;
  const exec_id = await pod.exec(id, ["hog", resource, String(workers), String(most), directory]);
  let line = "";
  while (!line.includes("\n")) {
    const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id, len: 64 });
    if (data.length === 0) break;
    line += Buffer.from(data).toString();
  }
  const [taken = "0", error = "ended"] = line.trim().split(" ");
  const remove = async () => {
    await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    await pod.client.agent.waitProcess({ container_id: id, exec_id: id });
    await pod.remove(id);
  };
  return { id, taken: Number(taken), error, remove };
}
