import { expect, it } from "vitest";
import { FAULTS } from "../conformance/faults/all-faults.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { caughtFaults } from "../namespaces/testing/caught-faults.ts";

describeInNamespaces("guestctl conformance with faults", () => {
  it("catches at least 95 % of all faults, by the cases that should catch them", async () => {
    const results = await caughtFaults(FAULTS, { guest: true });
    const missed = results.filter(({ caughtBy }) => caughtBy.length === 0).map(({ fault }) => fault);
    expect(missed.length, `not caught: ${missed.join("; ")}`).toBeLessThanOrEqual(0.05 * FAULTS.length);
  });
});
