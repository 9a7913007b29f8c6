import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import type { Machine } from "../scenarios/machine.ts";
import { otherRuntimeScenarios } from "../scenarios/other-runtime.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const missing = (runtime: string) =>
  ["/usr/bin", "/usr/sbin"].some((directory) => existsSync(`${directory}/${runtime}`))
    ? undefined
    : `${runtime} is not installed`;

// All scenarios run with both by `npm run test:nightly`.
const PARTS = {
  crun: ["containers", "fields of the spec"],
  runc: ["containers"],
} as const;

for (const runtime of ["crun", "runc"] as const) {
  describeInNamespaces(
    `containers created by ${runtime}`,
    () => {
      let machine: Machine;
      beforeAll(async () => {
        machine = await startHostAgent();
      });
      afterAll(() => machine?.[Symbol.asyncDispose]());
      otherRuntimeScenarios(() => machine, runtime, PARTS[runtime]);

      it("leave nothing of a creation or an exec that the agent's death interrupted", async () => {
        const open = async () => new Pod(machine, await machine.connect(), { "guestd.runtime": runtime });
        const rootfs = machine.rootfs("cut-off");
        const traces = "ls /run/guestd/* /run/guestd/runtimes/*; find /sys/fs/cgroup -type d; pgrep -x sleep || true";
        const first = await open();
        await first.run(["true"]);
        await first.client.close();
        const before = await machine.shell(traces);
        for (const delay of [0, 10, 30, 80]) {
          let pod = await open();
          const id = await pod.create(["sleep", "1001"], {}, rootfs);
          await pod.client.agent.startContainer({ container_id: id });
          const cut = [pod.create(["sleep", "1001"], {}, rootfs), pod.exec(id, ["sleep", "1001"])];
          const settled = Promise.allSettled(cut);
          await sleep(delay);
          await machine.killAgent();
          await pod.client.close();
          await settled;
          pod = await open();
          expect((await pod.execute(id, ["echo", "alive"])).stdout.toString()).toBe("alive\n");
          const left = (await machine.shell("ls /run/guestd/containers")).match(/\S+(?=\.json)/g) ?? [];
          for (const each of left) await pod.remove(each).catch(() => "was cleaned up meanwhile");
          await pod.client.close();
        }
        await expect.poll(() => machine.shell(traces), { interval: 200 }).toBe(before);
      });

      it("work beside those of the built-in runtime, and an unknown runtime is refused by name", async () => {
        await using client = await machine.connect();
        const pod = await Pod.open(machine, client);
        const [own, other] = await Promise.all(
          [{}, { "guestd.runtime": runtime }].map((Annotations) =>
            pod.run(["sh", "-c", "echo out; exit 3"], { Annotations }),
          ),
        );
        expect(other).toEqual(own);
        const unknown = pod.create(["true"], { Annotations: { "guestd.runtime": "../bin/sh" } });
        await expect(unknown).rejects.toThrow('annotations["guestd.runtime"] "../bin/sh" is not a known runtime');
        expect(await machine.shell("ls /run/guestd/containers /run/guestd/bundles")).not.toMatch(/\bc\d+-/);
        const id = await pod.create(["true"], { Annotations: { "guestd.runtime": runtime } });
        await expect(client.guest.explain({ container_id: id })).rejects.toThrow(`requests ${runtime}`);
        await pod.remove(id);
      });
    },
    missing(runtime),
  );
}
