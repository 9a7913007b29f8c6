import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { randomBytesOf, randomFrom } from "../../lib/seeded-random.ts";
import { Pod } from "../scenarios/pod.ts";
import { expectExactly, follow } from "../scenarios/resumed-streams.ts";
import { shellProcess } from "../scenarios/streams.ts";
import { forwards } from "./testing/forwards.ts";
import { type GuestMachine, startGuestMachine } from "./testing/guest-machine.ts";

describe("over virtio-serial", () => {
  let machine: GuestMachine;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { vsock: "serial" });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it("an exec loses nothing, while the agent is killed", async () => {
    const random = randomFrom(1);
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "1000"]);
    const input = randomBytesOf(random, 600_000);
    const each = { address: machine.guest.address(1028), random, successors: 0.1 };
    const [cat] = await Promise.all([
      follow({ ...each, input, request: { container, exec: "cat", process: shellProcess("cat") } }),
      machine.killAgent(),
    ]);
    expectExactly(cat, input);
    expect(cat.code).toBe(0);
    await pod.remove(container);
    await pod.client.close();
  });

  it("forwards end each direction by itself, and lose nothing", () => forwards(machine));

  it("a relay that is killed is started again, and the agent's next connections work", async () => {
    const relay = "grep -l guestd-channel /proc/[0-9]*/comm | cut -d/ -f3";
    const killed = (await machine.shell(relay)).trim();
    expect(killed).toMatch(/^\d+$/);
    await machine.shell(`kill -9 ${killed}`).catch(() => "the console ended with the relay");
    const next = async () => /^\d+/.exec(await machine.shell(relay).catch(() => killed))?.[0] ?? killed;
    await expect.poll(next).not.toBe(killed);
    await using client = await machine.connect();
    await client.health.check({});
  });

  it("a process in the guest can't open the port beside the relay, and only root can enter the sockets' folder", async () => {
    const tries = "for port in /dev/vport*; do (: <>$port); done; stat -c %a:%u /run/guestd/channel";
    expect((await machine.shell(tries)).trim()).toMatch(/^sh: can't \w+ \/dev\/vport\dp1: .*busy\s+700:0$/);
  });

  it("a port without a listener is refused", async () => {
    await expect(dial(machine.guest.address(9))).rejects.toThrow("check that the guest listens on the port");
  });
});
