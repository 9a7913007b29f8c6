import { reason } from "../../lib/reason.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { AgentClient } from "../client/agent-client.ts";
import type { CallOptions } from "../client/rpc-channel.ts";
import { RpcError } from "../client/rpc-error.ts";
import { capabilities, ociProcess, ociSpec, withMounts, withResources } from "./oci-spec.ts";

type Agent = AgentClient["agent"];

/** Only directory that CopyFile may write to. */
export const SHARED = "/run/kata-containers/shared/containers";
const LIMIT = { timeoutMs: 10_000 };
const MEMORY_BYTES = 64 << 20;
const S_IFDIR = 0o040000;

/** Creates a directory by CopyFile; one that exists is no error. */
export async function makeDirectory(agent: Agent, path: string, options: CallOptions = {}): Promise<void> {
  await agent.copyFile({ path, file_mode: S_IFDIR | 0o755, dir_mode: 0o755 }, options);
}

/** Removes a container by all means. Resolves to the reason if that fails. */
export async function removeContainer(agent: Agent, container_id: string): Promise<string | undefined> {
  const remove = () => agent.removeContainer({ container_id, timeout: 8 }, LIMIT);
  try {
    await remove().catch(async (error: unknown) => {
      if (isGone(error)) return;
      await agent.resumeContainer({ container_id }, LIMIT).catch(() => undefined);
      await remove();
    });
    return undefined;
  } catch (error) {
    return isGone(error) ? undefined : `remove container ${container_id}: ${reason(error)}`;
  }
}

/**
 * Creates a container with a limit and looks for the controller's file in its cgroup. Resolves to the reason if it has none.
 * Any value will do: an agent that ignores the limit has to fail the cases.
 */
export async function whyNoMemoryLimits(agent: Agent, rootfs: string, id: string): Promise<string | undefined> {
  const line = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null";
  const parts = withResources({ Memory: { Limit: MEMORY_BYTES } });
  try {
    const text = await firstOutput(agent, id, ociSpec(rootfs, ["sh", "-c", line], parts));
    return text.trim() !== "" ? undefined : "the agent's cgroups have no memory controller";
  } catch (error) {
    return `no container with a memory limit: ${reason(error).split(";")[0]}`;
  } finally {
    await removeContainer(agent, id);
  }
}

/** True if a container runs to its end, which takes a sandbox. */
export async function runsContainers(agent: Agent, rootfs: string, id: string): Promise<boolean> {
  try {
    return (await firstOutput(agent, id, ociSpec(rootfs, ["echo", "on"]))) === "on\n";
  } catch {
    return false;
  } finally {
    await removeContainer(agent, id);
  }
}

/**
 * Removes what a session has uploaded, by a container that runs from it. The container unmounts the directory that it works in
 * and all else below its root, because a mount point could not be removed. Leaves the files if that fails.
 */
export async function removeUploaded(agent: Agent, rootfs: string, session: string): Promise<void> {
  const id = `${session}-clean`;
  const bind = { destination: "/shared", source: SHARED, type: "bind", options: ["rbind", "rw"] };
  const script = `cd /shared && umount -l /shared && umount -l /dev && umount -l /sys && umount -l /proc && rm -rf ./${session}`;
  const Process = ociProcess(["sh", "-c", script], {
    Capabilities: capabilities(["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]),
  });
  try {
    await firstOutput(agent, id, ociSpec(rootfs, [], { Process, ...withMounts(bind) }));
  } catch {
    // The files stay below a name that no other session uses.
  } finally {
    await removeContainer(agent, id);
  }
}

/** Runs a container to its end and returns the start of its output. */
async function firstOutput(agent: Agent, id: string, OCI: Init<grpc.Spec>): Promise<string> {
  const ids = { container_id: id, exec_id: id };
  await agent.createContainer({ ...ids, OCI }, LIMIT);
  await agent.startContainer({ container_id: id }, LIMIT);
  const { data } = await agent.readStdout({ ...ids, len: 4096 }, LIMIT);
  await agent.waitProcess(ids, LIMIT);
  return Buffer.from(data).toString();
}

function isGone(error: unknown): boolean {
  return error instanceof RpcError && (error.kind === "not-found" || /invalid container id/i.test(error.message));
}
