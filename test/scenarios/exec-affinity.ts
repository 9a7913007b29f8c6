import { expect } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const LINE = "grep Cpus_allowed_list /proc/self/status | cut -f2";

/** Returns the processors on which a container may run, as the kernel writes them: `0-2,4`. */
export async function allowedProcessors(pod: Pod): Promise<string> {
  return (await pod.run(["sh", "-c", LINE])).stdout.toString().trim();
}

/**
 * Expects an exec to run on the `final` processors of execCPUAffinity, or on `initial` if `final` isn't set, and the
 * container's first process to run on `all`, which must be two or more.
 */
export async function execAffinity(pod: Pod, all: string): Promise<void> {
  const [first = "", last = ""] = [/^\d+/.exec(all)?.[0], /\d+$/.exec(all)?.[0]];
  expect(last, "a second processor").not.toBe(first);
  const { Process } = ociSpec("/", ["sh", "-c", `${LINE}; exec sleep 1000`]);
  const id = await pod.start([], { Process: { ...Process, ExecCPUAffinity: { Final: first } } });
  const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
  expect(Buffer.from(data).toString()).toBe(`${all}\n`);
  const inExec = async (process = {}) => (await pod.execute(id, ["sh", "-c", LINE], process)).stdout.toString();
  expect(await inExec()).toBe(`${first}\n`);
  expect(await inExec({ ExecCPUAffinity: { Initial: last } })).toBe(`${last}\n`);
  expect(await inExec({ ExecCPUAffinity: { Initial: first, Final: last } })).toBe(`${last}\n`);
  await pod.remove(id);
}
