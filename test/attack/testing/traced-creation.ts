import { beforeAll, describe, expect, it } from "vitest";
import type { Machine } from "../../scenarios/machine.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { buildAttacker, startWith, whileInjecting } from "./attacker.ts";

/**
 * unshare(CLONE_NEWNS) needs CAP_SYS_ADMIN in the guest: a process that can call it through another one is root there.
 */
const UNSHARE = [process.arch === "arm64" ? 97 : 272, 0x20000, 0] as const;
const CREATIONS = 4;
const EXECS = 15;

const oneLine = (error: Error) => expect(error.message).toMatch(/^[^\n]+$/);

/**
 * Registers attacks in which a container with CAP_SYS_PTRACE traces what any runtime creates in the pid namespace that
 * it shares.
 */
export function tracedCreation(machine: () => Machine, runtimes: readonly string[]): void {
  let pod: Pod;
  let rootfs: string;
  beforeAll(async () => {
    pod = await Pod.open(machine());
    rootfs = machine().rootfs("traced");
    buildAttacker("inject", machine().hostPath(rootfs));
    await startWith(pod, "first", { rootfs, share: true });
    for (const runtime of ["guestd", ...runtimes]) {
      await startWith(new Pod(machine(), pod.client, annotationsOf(runtime)), `${runtime}-victim`, {
        rootfs,
        share: true,
      });
    }
    await startWith(pod, "tracer", { rootfs, more: ["CAP_SYS_PTRACE"], share: true });
    return () => pod.client.close();
  });

  describe.each(["guestd", ...runtimes])("created by %s", (runtime) => {
    const Annotations = annotationsOf(runtime);

    it.runIf(runtime !== "runc")("gives no way to root while it is created, nor through its hooks", async () => {
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

    // Some threads of runc's process have all capabilities while it waits for its start.
    it.runIf(runtime === "runc")("is not created beside a container that may trace it", async () => {
      const OCI = ociSpec(rootfs, ["sleep", "1000"], { Annotations });
      const creating = pod.client.agent.createContainer({ container_id: "beside", OCI, sandbox_pidns: true });
      await expect(creating).rejects.toThrow(
        "create container beside: container tracer may trace it in their pid namespace",
      );
      await expect(pod.remove("beside")).rejects.toThrow("Invalid container id");
    });

    it("gives no way to root through execs", async () => {
      const victim = `${runtime}-victim`;
      const printed = await whileInjecting(pod, "tracer", UNSHARE, async () => {
        for (let count = 0; count < EXECS; count++) await pod.execute(victim, ["true"]).catch(oneLine);
      });
      expect(printed).toMatch(/injected [1-9]\d*, succeeded 0\n$/);
      await pod.remove(victim);
    });
  });

  it.runIf(runtimes.includes("runc"))(
    "can't have a tracer start beside it while a process of runc waits for its start",
    async () => {
      await pod.remove("tracer");
      const OCI = ociSpec(rootfs, ["sleep", "1000"], { Annotations: annotationsOf("runc") });
      await pod.client.agent.createContainer({ container_id: "waiting", OCI, sandbox_pidns: true });
      const starting = startWith(pod, "tracer", { rootfs, more: ["CAP_SYS_PTRACE"], share: true });
      await expect(starting).rejects.toThrow("container tracer may trace container waiting in their pid namespace");
      await pod.client.agent.startContainer({ container_id: "waiting" });
      await pod.client.agent.startContainer({ container_id: "tracer" });
    },
  );
}

function annotationsOf(runtime: string): Record<string, string> {
  return runtime === "guestd" ? {} : { "guestd.runtime": runtime };
}
