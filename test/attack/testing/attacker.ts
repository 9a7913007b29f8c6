import { join } from "node:path";
import { ociSpec } from "../../scenarios/oci.ts";
import type { Pod } from "../../scenarios/pod.ts";
import { compileC } from "../../testing/compile-c.ts";

/** Builds an attacker's program, statically, into /bin of a rootfs as this machine sees it. */
export function buildAttacker(name: string, rootfs: string): void {
  compileC([join(import.meta.dirname, "..", `${name}.c`)], join(rootfs, "bin", name));
}

/** Starts a sleeping container with these capabilities besides the usual ones. */
export async function startWith(
  pod: Pod,
  id: string,
  { rootfs, more = [], share = false }: { rootfs: string; more?: readonly string[]; share?: boolean },
): Promise<void> {
  const OCI = ociSpec(rootfs, ["sleep", "1000"], { Annotations: pod.annotations });
  const all = [...(OCI.Process?.Capabilities?.Bounding ?? []), ...more];
  const Process = { ...OCI.Process, Capabilities: { Bounding: all, Effective: all, Permitted: all } };
  await pod.client.agent.createContainer({ container_id: id, OCI: { ...OCI, Process }, sandbox_pidns: share });
  await pod.client.agent.startContainer({ container_id: id });
}

/**
 * Injects a system call into the processes that start while `work` runs: its number and two arguments. Resolves to the
 * injector's output.
 */
export async function whileInjecting(
  pod: Pod,
  id: string,
  call: readonly [number, number, number],
  work: () => Promise<void>,
): Promise<string> {
  const exec_id = await pod.exec(id, ["inject", ...call.map(String), "20000"]);
  await work();
  // The injector may have killed itself.
  await pod.client.agent.signalProcess({ container_id: id, exec_id, signal: 15 }).catch(() => undefined);
  return (await pod.finish(id, exec_id)).stdout.toString();
}
