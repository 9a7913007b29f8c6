import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import type { Machine } from "../scenarios/machine.ts";
import { otherRuntimeScenarios } from "../scenarios/other-runtime.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const whyNot = (runtime: string) =>
  ["/usr/bin", "/usr/sbin"].some((directory) => existsSync(`${directory}/${runtime}`))
    ? whyNoNamespaces()
    : `${runtime} is not installed`;

for (const runtime of ["crun", "runc"]) {
  const reason = whyNot(runtime);
  const title = `containers made by ${runtime}${reason === undefined ? "" : ` (skipped: ${reason})`}`;
  describe(title, { skip: reason !== undefined }, () => {
    let machine: Machine;
    beforeAll(async () => {
      machine = await startHostAgent();
    });
    afterAll(() => machine?.[Symbol.asyncDispose]());
    otherRuntimeScenarios(() => machine, runtime, ["containers", "fields of the spec", "when things end"]);

    it("stands beside the built-in launcher; a runtime that is not known is refused by name", async () => {
      await using client = await machine.connect();
      const pod = await Pod.open(machine, client);
      const [own, other] = await Promise.all(
        [{}, { "guestd.runtime": runtime }].map((Annotations) =>
          pod.run(["sh", "-c", "echo out; exit 3"], { Annotations }),
        ),
      );
      expect(other).toEqual(own);
      const unknown = pod.create(["true"], { Annotations: { "guestd.runtime": "../bin/sh" } });
      await expect(unknown).rejects.toThrow('annotations["guestd.runtime"] "../bin/sh" is not a known runtime');
      expect(await machine.shell("ls /run/guestd/containers /run/guestd/bundles")).not.toMatch(/\bc\d+-/);
      const id = await pod.create(["true"], { Annotations: { "guestd.runtime": runtime } });
      await expect(client.guest.explain({ container_id: id })).rejects.toThrow(`asks for ${runtime}`);
      await pod.remove(id);
    });
  });
}
