import { expect, it } from "vitest";
import { Pod } from "../scenarios/pod.ts";
import { figuresOf, whatGrew } from "../soak/figures.ts";
import { load } from "../soak/load.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

const STAGE = { execs: 250, containers: 25, atOnce: 4 };

/** Runs a short soak; the whole one is `npm run soak -- --guest`. */
it("in a guest, 1,000 execs and 100 containers leave no descriptor, mount, cgroup or process behind", async () => {
  await using machine = await startGuestMachine();
  await using client = await machine.connect();
  const pod = await Pod.open(machine, client);
  const rootfs = machine.rootfs("soak");
  await load(pod, rootfs, { execs: 100, containers: 20, atOnce: 4 });
  const figures = [await figuresOf(machine)];
  for (let stage = 0; stage < 4; stage++) {
    await load(pod, rootfs, STAGE);
    figures.push(await figuresOf(machine));
  }
  expect(whatGrew(figures), JSON.stringify(figures)).toEqual([]);
}, 600_000);
