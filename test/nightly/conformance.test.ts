import { describe, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { conformanceSuite, expectConformant, KILL_AGENT } from "../namespaces/testing/conformance-suite.ts";
import { startCommand } from "../namespaces/testing/our-agent.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";

conformanceSuite("grpc");

describeInNamespaces("guestctl conformance --against", () => {
  it("finds no difference between guestd and itself", async () => {
    const start = await startCommand();
    const run = startGuestctl(["conformance", "--against", start, "--against", start, "--restart", KILL_AGENT]);
    const code = await run.ended;
    expect([run.output.stdout.toString(), run.output.stderr]).toEqual([expect.stringMatching(/^0 of \d{3} .*\n$/), ""]);
    expect(code).toBe(0);
  });
});

describe("guestctl conformance --guest", () => {
  it.each(["ttrpc", "grpc"])("passes every case in a guest, over %s", (protocol) =>
    expectConformant(["--guest", "--protocol", protocol]),
  );
});
