import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { randomFrom } from "../../lib/seeded-random.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { startCuttingProxy } from "../scenarios/cutting-proxy.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { Pod } from "../scenarios/pod.ts";

const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
const KILLS = Number(process.env["GUESTD_KILLS"] ?? 100);
const COUNT = 400_000;
const NUMBERS = Array.from({ length: COUNT }, (_, at) => `${at + 1}\n`).join("");
const TOTAL_BYTES = NUMBERS.length;

describeInNamespaces("guestctl exec that is killed again and again", () => {
  it(`is continued by --resume --from with no byte lost or doubled, over ${KILLS} kills (seed ${SEED})`, async () => {
    const random = randomFrom(SEED);
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "100000"]);
    const path = `${machine.directory}/cutting`;
    const target = `${machine.address.slice("unix://".length)}_1028`;
    await using proxy = await startCuttingProxy(`${path}_1028`, target, random, 200_000);
    const wanted = createHash("sha256").update(NUMBERS).digest("hex");
    let [kills, agents] = [0, 0];
    for (let round = 1; kills < KILLS; round++) {
      const hash = createHash("sha256");
      const at = ["exec", "--address", `unix://${path}`];
      const id = `round-${round}`;
      let line = [...at, "--name", id, container, "sh", "-c", `seq 1 ${COUNT}; exit 9`];
      for (let length = 0; ; ) {
        const running = startGuestctl(line);
        const killing = sleep(200 + random() * 1500).then(() => running.child.kill("SIGKILL"));
        if (random() < 0.3) {
          await machine.killAgent();
          agents++;
        }
        const code = await running.ended;
        hash.update(running.output.stdout);
        length += running.output.stdout.length;
        expect(running.output.stderr).toBe("");
        await killing;
        if (code === undefined) kills++;
        // Killed after the last byte, it may have acknowledged the end too.
        if (code !== undefined || length === TOTAL_BYTES) {
          expect([code ?? 9, hash.digest("hex")]).toEqual([9, wanted]);
          break;
        }
        // Killed before it started the command, it left nothing to resume.
        if (length > 0) line = [...at, "--resume", id, "--from", `${length}`, container];
      }
    }
    process.stdout.write(`${kills} kills of guestctl, ${agents} of the agent, ${proxy.cuts} cuts: 0 bytes lost\n`);
    await pod.client.close();
  });
});

describeInNamespaces("a command of guestctl exec -d", () => {
  it("waits for a minute for a guestctl attach that SIGKILL ended, then prints on", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "100000"]);
    const script = `i=0; while :; do i=$((i+1)); echo $i ${"-".repeat(1000)}; echo $i >/printed; done`;
    const at = ["--address", machine.address];
    const started = startGuestctl(["exec", "-d", "--name", "chatty", ...at, container, "sh", "-c", script]);
    expect(await started.ended).toBe(0);
    const attached = startGuestctl(["attach", ...at, `${container}/chatty`]);
    await attached.prints("\n1000 ");
    attached.child.kill("SIGKILL");
    await attached.ended;
    const killed = performance.now();
    const printed = () => readFileSync(join(machine.directory, container, "printed"), "utf8");
    let last = "";
    const isWaiting = () => {
      const now = printed();
      const same = now === last && now !== "";
      last = now;
      return same;
    };
    await expect.poll(isWaiting, { interval: 2000, timeout: 45_000 }).toBe(true);
    await expect.poll(isWaiting, { interval: 500, timeout: 90_000 }).toBe(false);
    const seconds = (performance.now() - killed) / 1000;
    expect(seconds).toBeGreaterThan(58);
    process.stdout.write(`the command printed on ${seconds.toFixed(1)} s after kill -9 of guestctl attach\n`);
    await pod.client.close();
  });
});
