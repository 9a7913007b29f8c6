import { expect, it } from "vitest";
import { FAULTS } from "../conformance/faults/all-faults.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { caughtFaults } from "./testing/caught-faults.ts";

/** Some faults of each kind whose cases need nothing but namespaces; test/nightly has all. */
const SAMPLE: ReadonlySet<string> = new Set([
  "Check: a response has flags",
  "connections: only every second one is accepted",
  "ReadStdout: the last byte of each response is lost",
  "WaitProcess: a signal's number comes without 128",
  "CreateContainer: args: the last one is lost",
  "ExecProcess: no_new_privs is ignored",
]);

describeInNamespaces("guestctl conformance with faults", () => {
  it("catches a sample of the faults, by the cases that should catch them", async () => {
    const sample = FAULTS.filter(({ name }) => SAMPLE.has(name));
    expect(sample).toHaveLength(SAMPLE.size);
    const results = await caughtFaults(sample);
    expect(results.filter(({ caughtBy }) => caughtBy.length === 0)).toEqual([]);
  });
});
