import type { RpcError } from "../../../../host/client/rpc-error.ts";
import type { Init } from "../../../../proto/codec.ts";
import type { grpc } from "../../../../proto/gen/messages.js";
import { ociSpec } from "../../../scenarios/oci.ts";
import type { Pod } from "../../../scenarios/pod.ts";

const MIB = 1 << 20;
const MAP = [{ HostID: 100_000, ContainerID: 0, Size: 65_536 }];

export interface Attack {
  /** A resource of hog.c. */
  readonly resource: string;
  readonly workers?: number;
  /** Number to take; by default all. */
  readonly most?: number;
  /** Directory for resources that are files. */
  readonly directory?: string;
  /** Runs in its own user namespace, with CAP_SYS_ADMIN there. */
  readonly inUser?: true;
  readonly mounts?: Init<grpc.Mount>[];
}

export interface GreedyContainer {
  readonly id: string;
  /** Number that it got, and the last errno or "-". */
  readonly taken: number;
  readonly error: string;
  remove(): Promise<void>;
}

/** Longest wait for the attacker's report: the kernel may block a process that took all of its memory forever. */
const REPORT_MS = 60_000;

async function firstLine(pod: Pod, container_id: string, exec_id: string): Promise<string> {
  const end = Date.now() + REPORT_MS;
  let line = "";
  while (!line.includes("\n") && Date.now() < end) {
    const limit = { timeoutMs: end - Date.now() };
    const read = pod.client.agent.readStdout({ container_id, exec_id, len: 64 }, limit);
    const { data } = await read.catch((error: RpcError) => {
      if (error.kind !== "deadline-exceeded") throw error;
      return { data: Buffer.from("0 silent\n") };
    });
    if (data.length === 0) break;
    line += Buffer.from(data).toString();
  }
  return line;
}

/**
 * Starts a container with uid 0, no capabilities and 64 MiB of memory that takes and holds all it can get of a
 * resource.
 */
export async function startGreedy(pod: Pod, rootfs: string, attack: Attack): Promise<GreedyContainer> {
  const { Process, Linux, Mounts } = ociSpec(rootfs, []);
  const caps = attack.inUser ? ["CAP_SYS_ADMIN"] : [];
  const Namespaces = [...(Linux?.Namespaces ?? []), ...(attack.inUser ? [{ Type: "user" }] : []), { Type: "cgroup" }];
  // Namespaces on a host have no memory controller.
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
  const line = await firstLine(pod, id, exec_id);
  const [taken = "0", error = "ended"] = line.trim().split(" ");
  const remove = async () => {
    await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    await pod.client.agent.waitProcess({ container_id: id, exec_id: id });
    await pod.remove(id);
  };
  return { id, taken: Number(taken), error, remove };
}
