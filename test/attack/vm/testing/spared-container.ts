import { join } from "node:path";
import { expect } from "vitest";
import { ociSpec } from "../../../scenarios/oci.ts";
import type { Pod } from "../../../scenarios/pod.ts";
import { compileC } from "../../../testing/compile-c.ts";

const CAPABILITIES = ["CAP_SYS_RESOURCE"];
/** More memory than the guests of these tests have. */
const MORE_MIB = "4000";

/** Builds capable.c, which uses what capabilities allow, as a static program at `path`. */
export function buildCapable(path: string): void {
  compileC([join(import.meta.dirname, "../capable.c")], path);
}

export interface SparedContainer extends AsyncDisposable {
  readonly id: string;
}

/**
 * Starts a container without a memory limit that the OOM killer must spare, and that takes and locks memory without
 * end. Resolves when the limit of `full` stops it: its own, or that of all containers. The rootfs has capable.c as
 * bin/capable.
 */
export async function startSpared(pod: Pod, rootfs: string, full: "own" | "all" = "own"): Promise<SparedContainer> {
  const { Process } = ociSpec(rootfs, []);
  const Capabilities = { Bounding: CAPABILITIES, Effective: CAPABILITIES, Permitted: CAPABILITIES };
  const id = await pod.start([], {
    Process: { ...Process, Args: ["capable", "memory", MORE_MIB], Capabilities },
    Root: { Path: rootfs },
  });
  const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 64 });
  expect(Buffer.from(data).toString()).toBe("score set, locked without limit\n");
  const file = `/sys/fs/cgroup/containers/${full === "own" ? `${id}/` : ""}memory.events.local`;
  const refusals = async () => Number(/^oom (\d+)$/m.exec(await pod.machine.shell(`cat ${file}`))?.[1]);
  await expect.poll(refusals).toBeGreaterThan(0);
  return {
    id,
    async [Symbol.asyncDispose]() {
      await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
      await pod.client.agent.waitProcess({ container_id: id, exec_id: id });
      await pod.remove(id);
    },
  };
}
