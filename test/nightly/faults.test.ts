import { afterAll, beforeAll, expect, it } from "vitest";
import { steps } from "../attack/faults/conversation.ts";
import { type FaultyMachine, startFaultyMachine } from "../attack/faults/faulty-machine.ts";
import { countStartCalls, restartWithFaults } from "../attack/faults/restarts.ts";
import { sweep } from "../attack/faults/sweep.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";

/** The most errnos that a call has in agent/native/sys-faults/faults.c. */
const VARIANTS = 5;
const LIMIT_MS = 3_600_000;
/** Restarts for each machine. Few, because init waits longer before each start that follows soon. */
const RESTARTS = 5;

describeInNamespaces("an agent whose system calls fail with every errno", () => {
  let faulty: FaultyMachine;
  beforeAll(async () => {
    faulty = await startFaultyMachine();
  });
  afterAll(async () => {
    await faulty?.[Symbol.asyncDispose]();
  });

  it.each(steps)(
    "at each call of $name in turn ends only the call that was hit",
    async (step) => {
      const { hit, problems } = await sweep(faulty, step, { variants: VARIANTS });
      process.stdout.write(`${step.name}: ${JSON.stringify(Object.fromEntries(hit))}\n`);
      expect(problems).toEqual([]);
    },
    LIMIT_MS,
  );

  it.each([0, 1, 2])(
    "at each call of its start in turn starts again and takes over its state (errno %i of each)",
    async (variant) => {
      for (let first = 1, count = RESTARTS; first <= count; first += RESTARTS) {
        await using other = await startFaultyMachine();
        count = await countStartCalls(other);
        const calls = Array.from({ length: RESTARTS }, (_, index) => first + index);
        await restartWithFaults(other, calls, variant);
      }
    },
    LIMIT_MS,
  );
});
