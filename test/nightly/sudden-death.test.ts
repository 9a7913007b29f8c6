import { describe, expect, it } from "vitest";
import { suddenDeathSuite } from "../agent/sudden-death-suite.ts";
import { startGuestMachine } from "../guest/guest-machine.ts";
import { closedAsLogged } from "../scenarios/closed-as-logged.ts";
import { killUnderLoad, NOTHING_LOST } from "../scenarios/killed-under-load.ts";

suddenDeathSuite(1000);

describe("an agent of a real guest that is killed at any moment", () => {
  it("loses no container, exit status, output or call over vsock in 20 kills under load", async () => {
    await using machine = await startGuestMachine(512, { kernelArgs: ["agent.log_vport=0"] });
    const counts = await killUnderLoad(machine, { kills: 20, seed: Date.now() % 1000, pauseMs: 2000 });
    process.stdout.write(`${JSON.stringify({ ...counts, reasons: closedAsLogged(machine, counts) })}\n`);
    expect(counts).toMatchObject(NOTHING_LOST);
    expect(counts.containers).toBeGreaterThan(0);
    expect(counts.lines).toBeGreaterThan(0);
  }, 600_000);
});
