import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { tracedBirth } from "./testing/traced-birth.ts";

describeInNamespaces("the child of an exec that a container traces", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it("shares no process group with the agent, which leads its own", async () => {
    const pid = await machine.agentPid();
    const [, group] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) . /, "")
      .split(" ");
    expect(Number(group)).toBe(pid);
  });

  tracedBirth(() => machine);
});
