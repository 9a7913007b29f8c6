import { afterAll, expect, it } from "vitest";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { closedAsLogged } from "../../scenarios/closed-as-logged.ts";
import { killUnderLoad, NOTHING_LOST } from "../../scenarios/killed-under-load.ts";
import { startHostAgent } from "./host-agent.ts";

/** Kills for each machine. Few, because init waits longer before each restart, up to 1 s. */
const KILLS = 5;

/** Registers tests of at least `kills` kills; GUESTD_KILLS overrides the number. */
export function suddenDeathSuite(kills: number): void {
  const machines = Math.ceil(Number(process.env["GUESTD_KILLS"] ?? kills) / KILLS);

  describeInNamespaces("an agent that is killed at any moment", () => {
    const total: Record<string, number> = { kills: 0 };
    /** Closed connections by the reason in the log. */
    const reasons: Record<string, number> = {};
    afterAll(() => {
      process.stdout.write(`${JSON.stringify({ ...total, reasons })}\n`);
    });

    it.concurrent.each(Array.from({ length: machines }, (_, seed) => seed + 1))(
      `loses no container, exit status, output or call in ${KILLS} kills under load (%i)`,
      async (seed) => {
        await using machine = await startHostAgent();
        const counts = await killUnderLoad(machine, { kills: KILLS, seed, pauseMs: 150 }).catch((error: unknown) => {
          process.stderr.write(
            `seed ${seed}: ${String(error)}; the console's end: ${machine.console().slice(-3000)}\n`,
          );
          throw error;
        });
        for (const [key, count] of Object.entries({ kills: KILLS, ...counts })) total[key] = (total[key] ?? 0) + count;
        for (const why of closedAsLogged(machine, counts)) reasons[why] = (reasons[why] ?? 0) + 1;
        expect(counts).toMatchObject(NOTHING_LOST);
        for (const work of ["containers", "lives", "signals", "hooks"] as const)
          expect(counts[work], work).toBeGreaterThan(0);
      },
      300_000,
    );
  });
}
