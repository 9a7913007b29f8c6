import { beforeAll, describe, expect, it } from "vitest";
import type { Machine } from "../scenarios/machine.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { buildAttacker, startWith, whileInjecting } from "./attacker.ts";

/** unshare(CLONE_NEWNS) takes CAP_SYS_ADMIN in the guest: who gets to call it as another process is root there. */
const UNSHARE = [process.arch === "arm64" ? 97 : 272, 0x20000, 0] as const;
const CREATIONS = 4;
const EXECS = 15;

const oneLine = (error: Error) => expect(error.message).toMatch(/^[^\n]+$/);

/** A container with CAP_SYS_PTRACE traces what is made in the pid namespace that it shares, whoever makes it. */
export function tracedCreation(machine: () => Machine, runtimes: readonly string[]): void {
  let pod: Pod;
  let rootfs: string;
  beforeAll(async () => {
    pod = await Pod.open(machine());
    rootfs = machine().rootfs("traced");
    buildAttacker("inject", machine().hostPath(rootfs));
    await startWith(pod, "first", { rootfs, share: true });
    await startWith(pod, "tracer", { rootfs, more: ["CAP_SYS_PTRACE"], share: true });
    return () => pod.client.close();
  });

  describe.each(["guestd", ...runtimes])("made by %s", (runtime) => {
    const Annotations: Record<string, string> = runtime === "guestd" ? {} : { "guestd.runtime": runtime };

    it("is no way to root while it is created, nor by its hooks", async () => {
      const hook = { Path: "/bin/sh", Args: ["sh", "-c", "sleep 0.05"], Env: ["PATH=/usr/bin:/bin"], Timeout: 10 };
      const Hooks = { CreateRuntime: [hook], CreateContainer: [hook] };
      const OCI = ociSpec(rootfs, ["sleep", "1000"], { Annotations, Hooks });
      const made: string[] = [];
      const printed = await whileInjecting(pod, "tracer", UNSHARE, async () => {
        for (let count = 0; count < CREATIONS; count++) {
          const container_id = `${runtime}-${count}`;
          const creating = pod.client.agent.createContainer({ container_id, OCI, sandbox_pidns: true });
          await creating.then(() => made.push(container_id), oneLine);
          await pod.client.agent.startContainer({ container_id }).catch(oneLine);
          await pod.remove(container_id).catch(oneLine);
        }
      });
      expect(printed).toMatch(/injected \d+, succeeded 0\n$/);
      expect(made).not.toEqual([]);
    });

    it("is no way to root by execs", async () => {
      const victim = `${runtime}-victim`;
      await startWith(new Pod(machine(), pod.client, Annotations), victim, { rootfs, share: true });
      const printed = await whileInjecting(pod, "tracer", UNSHARE, async () => {
        for (let count = 0; count < EXECS; count++) await pod.execute(victim, ["true"]).catch(oneLine);
      });
      expect(printed).toMatch(/injected [1-9]\d*, succeeded 0\n$/);
      await pod.remove(victim);
    });
  });
}
