import { describe, expect, it } from "vitest";
import { suddenDeathSuite } from "../namespaces/testing/sudden-death-suite.ts";
import { closedAsLogged } from "../scenarios/closed-as-logged.ts";
import { killUnderLoad, NOTHING_LOST } from "../scenarios/killed-under-load.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";
import { NETWORK_CARD } from "../vm/testing/network-card.ts";

suddenDeathSuite(1000);

/** One seed for each shim. GUESTD_SEED repeats a run. */
const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 1000);

describe("an agent in a guest that is killed at any moment", () => {
  it.each([SEED, SEED + 1])(
    "loses no container, exit status, output or call over vsock in 10 kills under load (%i)",
    async (seed) => {
      const kernelArgs = ["agent.log_vport=0"];
      await using machine = await startGuestMachine(512, { kernelArgs, qemuArgs: NETWORK_CARD });
      const counts = await killUnderLoad(machine, { kills: 10, seed, pauseMs: 2000 });
      process.stdout.write(`${JSON.stringify({ ...counts, reasons: closedAsLogged(machine, counts) })}\n`);
      expect(counts).toMatchObject(NOTHING_LOST);
      expect(counts.containers).toBeGreaterThan(0);
      expect(counts.lines).toBeGreaterThan(0);
    },
    600_000,
  );
});
