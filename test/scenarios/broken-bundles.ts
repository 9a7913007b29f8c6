import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { upgradeAgent } from "../../host/client/upgrade-agent.ts";
import type { Machine } from "./machine.ts";
import { type BuiltAgent, makeBundle } from "./make-bundle.ts";
import { Pod } from "./pod.ts";

type Broken = readonly [name: string, change: (agent: string) => string, reason: RegExp];

export const CANNOT_LOAD: Broken = ["can't be loaded", () => "(function(){ nonsense", /^can't load it: SyntaxError: /];
export const ENDS_EARLY: Broken = [
  "exits before it listens",
  (agent) => agent.replace("{", '{process.stderr.write("no\\n");process.exit(3);'),
  /^3 starts in a row ended before it had listened for 10 s$/,
];

/** Registers upgrades to bundles that fail. The image's own agent runs before and after each. */
export function brokenBundleScenarios(machine: () => Machine, built: () => BuiltAgent, kinds: readonly Broken[]): void {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "guestd-broken-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const connect = () => machine().connect();

  it.each(kinds)(
    "a bundle that %s is abandoned: the image's own agent runs again, and one line gives the reason",
    async (_, change, reason) => {
      const pod = await Pod.open(machine(), await connect());
      const id = await pod.start(["sh", "-c", "read line; echo got $line; exit 9"]);
      const waiting = pod.client.agent.waitProcess({ container_id: id, exec_id: id });
      const { after, wanted } = await upgradeAgent(connect, makeBundle(built(), join(directory, "broken"), change));
      expect(after).toMatchObject({ version: "0.1.0", bundle: "", left_bundle: wanted });
      expect(after.left_reason).toMatch(reason);
      await pod.client.agent.writeStdin({ container_id: id, exec_id: id, data: Buffer.from("it\n") });
      const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
      expect(Buffer.from(data).toString()).toBe("got it\n");
      expect(await waiting).toMatchObject({ status: 9 });
      await pod.remove(id);
      await pod.client.close();
      const line = `guestd: the agent's bundle ${wanted.slice(0, 12)} is abandoned: ${after.left_reason}; the image's own runs`;
      const printed = () =>
        machine()
          .console()
          .split("\n")
          .filter((one) => one.includes(line)).length;
      for (let tries = 0; printed() === 0 && tries < 50; tries++) await sleep(20);
      expect(printed()).toBe(1);
    },
  );
}
