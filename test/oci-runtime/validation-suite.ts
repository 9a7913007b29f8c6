import { beforeAll, describe, expect, test } from "vitest";
import { compare } from "./compare.ts";
import type { Outcome } from "./run-program.ts";
import { runSuite } from "./run-suite.ts";
import { buildSuite, whyNoSuite } from "./suite.ts";

/** Programs that sleep long or need cgroup v1. `npm run test:oci` runs them too. */
const LEFT_OUT = /^(delete|kill|pidfile|linux_cgroups_)/;

/** Registers all programs that end soon. Together they pass in at least so many points. */
export function validationSuite(points: number): void {
  const why = whyNoSuite();
  describe.skipIf(why !== undefined)(`OCI validation programs${why === undefined ? "" : `: skipped, ${why}`}`, () => {
    let outcomes: Outcome[] = [];
    beforeAll(async () => {
      const programs = buildSuite().filter((program) => !LEFT_OUT.test(program));
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
