import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startGuestMachine } from "../../guest/guest-machine.ts";
import { Pod } from "../../scenarios/pod.ts";

const SILENT = /the agent has not answered for 5\.0 s; it is replaced/g;

describe("the agent of a real guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startGuestMachine(256);
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it("is replaced when it is stopped, and the connection and the container continue", async () => {
    const id = await pod.start(["sh", "-c", "sleep 6; exit 7"]);
    const waiting = pod.client.agent.waitProcess({ container_id: id, exec_id: id });
    await machine.shell("kill -STOP $(pidof node)").catch(() => "the console stopped with the agent");
    expect((await waiting).status).toBe(7);
    await vi.waitFor(() => expect(machine.console().match(SILENT)).toHaveLength(1));
    await pod.remove(id);
  });
});
