import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GUEST_QUOTAS } from "../../../../agent/guest/guest-quotas.ts";
import { Pod } from "../../../scenarios/pod.ts";
import { startGuestMachine } from "../../../vm/testing/guest-machine.ts";
import { buildHog } from "./build-hog.ts";
import { type Attack, startGreedy } from "./greedy-container.ts";
import { expectNeighboursWell, whileChecking } from "./neighbours.ts";

/** Values that the kernel would choose for a much smaller guest, so that an attacker exhausts them soon. */
const SMALL = {
  "fs.epoll.max_user_watches": 2500,
  "fs.inotify.max_user_instances": 8,
  "fs.inotify.max_user_watches": 500,
  "fs.file-max": 4000,
  "user.max_mnt_namespaces": 64,
  "user.max_cgroup_namespaces": 64,
};

/** An attack that takes more than the quota: `most` is never reached if the quota applies. */
export type QuotaAttack = Attack & { readonly most: number };

/** Registers attacks on what the kernel counts per uid, in a guest with small quotas. */
export function sharedQuotas(attacks: readonly QuotaAttack[]): void {
  describe("a container that takes all it can get of what the kernel counts per uid", () => {
    let machine: Awaited<ReturnType<typeof startGuestMachine>>;
    let pod: Pod;
    let rootfs: string;
    let running: string;
    beforeAll(async () => {
      machine = await startGuestMachine(512, { kernelArgs: ["agent.guest_sysctl=off"] });
      for (const [name, value] of Object.entries(SMALL)) await machine.shell(`sysctl -w ${name}=${value}`);
      pod = await Pod.open(machine);
      rootfs = machine.rootfs("hog");
      buildHog(`${machine.hostPath(rootfs)}/bin/hog`);
      running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
    });
    afterAll(async () => {
      await pod?.client.close();
      await machine?.[Symbol.asyncDispose]();
    });

    it("meets no quota: CreateSandbox has raised them, also with agent.guest_sysctl=off", async () => {
      const files = GUEST_QUOTAS.map(([name]) => `/proc/sys/${name.replaceAll(".", "/")}`);
      const values = (await machine.shell(`cat ${files.join(" ")}`)).trim().split("\n");
      expect(GUEST_QUOTAS.map(([name], at) => [name, values[at]])).toEqual(GUEST_QUOTAS);
    });

    it.each(attacks)(
      "affects no creation, exec, kill or removal of another container with $resource",
      async (attack) => {
        const { result: greedy } = await whileChecking(pod.client, () => startGreedy(pod, rootfs, attack));
        expect(greedy).toMatchObject({ error: "-" });
        expect(greedy.taken).toBeGreaterThanOrEqual(attack.most);
        await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
        await greedy.remove();
      },
    );

    it("gets 256 ptys, and none of another container's", async () => {
      const { result: greedy } = await whileChecking(pod.client, () => startGreedy(pod, rootfs, { resource: "pty" }));
      expect(greedy).toMatchObject({ taken: 256, error: "ENOSPC" });
      await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
      const terminal = pod.exec(greedy.id, ["tty"], { Terminal: true });
      await expect(terminal).rejects.toThrow("open terminal: all ptys that the container's devpts allows are in use");
      await greedy.remove();
    });

    it("leaves the ptys of others if it takes those of a devpts mounted in its user namespace", async () => {
      const { result: greedy } = await whileChecking(pod.client, () =>
        startGreedy(pod, rootfs, { resource: "own-pty", inUser: true }),
      );
      expect(greedy).toMatchObject({ taken: 1023, error: "ENOSPC" });
      await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
      await greedy.remove();
    });

    it("does not prevent a killed agent from restarting", async () => {
      const greedy = [];
      for (const attack of attacks.slice(0, 3)) greedy.push(await startGreedy(pod, rootfs, attack));
      await machine.killAgent();
      await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
      for (const container of greedy) await container.remove();
    });
  });
}
