import { beforeAll, describe, expect, test } from "vitest";
import { compare } from "./compare.ts";
import type { Outcome } from "./run-program.ts";
import { runSuite } from "./run-suite.ts";
import { buildSuite, whyNoSuite } from "./suite.ts";

/** Programs that sleep long or need cgroup v1. `npm run test:oci` runs them too. */
const LEFT_OUT = /^(delete|kill|pidfile|linux_cgroups_)/;
const DAY_MS = 86_400_000;

/**
 * Registers every `step`-th program, beginning with one that the day decides, so that `step` days run all. Together they
 * pass in at least so many points.
 */
export function validationSuite(step: number, points: number): void {
  const why = whyNoSuite();
  const first = Math.floor(Date.now() / DAY_MS) % step;
  const which =
    step === 1 ? "OCI validation programs" : `OCI validation programs, 1 of ${step}, from number ${first} on`;
  describe.skipIf(why !== undefined)(`${which}${why === undefined ? "" : `: skipped, ${why}`}`, () => {
    let outcomes: Outcome[] = [];
    beforeAll(async () => {
      const all = buildSuite().filter((program) => !LEFT_OUT.test(program));
      const programs = all.filter((_, at) => at % step === first);
      outcomes = await runSuite({ programs, runtime: "guestd", atOnce: 4 });
    }, 400_000);

    test("fail only where known-failures.ts says so", () => {
      expect(compare(outcomes).unexpected).toEqual([]);
    });

    test("still fail wherever known-failures.ts says so", () => {
      expect(compare(outcomes).gone).toEqual([]);
    });

    test(`pass in at least ${points} points`, () => {
      expect(outcomes.reduce((total, { passed }) => total + passed, 0)).toBeGreaterThan(points);
    });
  });
}
