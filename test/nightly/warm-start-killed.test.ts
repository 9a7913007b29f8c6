import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { readEvents } from "../../host/client/streams/events.ts";
import type { GuestEvent } from "../../host/client/streams/guest-event.ts";
import { guestd } from "../../proto/gen/messages.js";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { Pod } from "../scenarios/pod.ts";

const ROUNDS = 60;
/** Between the kills of successive rounds; all of them cover the time that an undisturbed Resumed takes. */
const STEP_MS = 2;
const { BEFORE_ANSWER, WHEN_QUIET } = guestd.v1.AgentReplacement;
const entropy = Buffer.alloc(32, "entropy");

describeInNamespaces("a clone's Resumed whose agents are killed", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let running = "";
  let paused = "";
  beforeAll(async () => {
    machine = await startHostAgent();
    const pod = await Pod.open(machine);
    running = await pod.start(["sleep", "10000"]);
    paused = await pod.start(["sleep", "10000"]);
    await pod.client.agent.pauseContainer({ container_id: paused });
    await pod.client.close();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  const isFrozen = async (id: string) =>
    (await machine.shell(`cat $(find /sys/fs/cgroup -name '*${id}*' -type d)/cgroup.freeze`)).trim() === "1";

  /** Kills whichever agent runs at that moment; none may. */
  async function killLater(ms: number): Promise<boolean> {
    await sleep(ms);
    const pid = await machine.agentPid().catch(() => undefined);
    if (pid === undefined) return false;
    process.kill(pid, "SIGKILL");
    return true;
  }

  /** Repeats a call on an open connection, then on new ones, until it is answered; ttRPC connections continue by themselves. */
  async function answered<T>(
    protocol: "ttrpc" | "grpc",
    call: (client: AgentClient) => Promise<T>,
    open?: AgentClient,
  ): Promise<T> {
    const none = { [Symbol.asyncDispose]: async () => {} };
    for (let first = open; ; first = undefined) {
      await using client = first ?? (await machine.connect({ protocol }).catch(() => none));
      if (!("guest" in client)) continue;
      const result = await call(client).catch((error: { kind?: string }) => {
        if (protocol === "ttrpc" || error.kind !== "unavailable") throw error;
      });
      if (result !== undefined) return result;
    }
  }

  it.each([
    ["ttrpc", BEFORE_ANSWER],
    ["grpc", BEFORE_ANSWER],
    ["ttrpc", WHEN_QUIET],
  ] as const)(
    "at any moment, once and again while the next one starts, ends as if none were (%s, %i)",
    async (protocol, replacement) => {
      let kills = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const { epoch: last } = await answered("ttrpc", ({ guest }) => guest.quiesce({ freeze_containers: true }));
        const epoch = last + 1;
        const hostname = `clone-${epoch}`;
        // An agent that is killed while the first byte of a connection arrives ends it (docs/restart.md).
        const open = await machine.connect({ protocol });
        await open.health.check({});
        const killing = killLater(round * STEP_MS).then(async (first) => {
          kills += Number(first) + Number(round % 2 === 1 && (await killLater(round * STEP_MS)));
        });
        const resumed = ({ guest }: AgentClient) => guest.resumed({ epoch, entropy, hostname, replacement });
        const result = await answered(protocol, resumed, open);
        await killing;
        const where = `round ${round}`;
        expect(result.epoch, where).toBe(epoch);
        expect([await isFrozen(running), await isFrozen(paused)], where).toEqual([false, true]);
        const state = await machine.shell("hostname; cat /run/guestd/epoch");
        expect(state, where).toBe(`${hostname}\n${epoch}\n`);
        await answered("ttrpc", async (client) => {
          const { status } = await new Pod(machine, client).execute(running, ["true"]);
          expect(status, where).toBe(0);
          return status + 1;
        });
        expect(await resumedEvents(epoch), where).toBe(1);
      }
      process.stdout.write(`${kills} kills in ${ROUNDS} rounds over ${protocol}\n`);
      expect(kills).toBeGreaterThan(ROUNDS / 2);
      expect(machine.console()).not.toMatch(/unhandled rejection|uncaught/);
    },
    600_000,
  );

  /** Counts the events of an epoch, once there is one. */
  async function resumedEvents(epoch: number): Promise<number> {
    const all: GuestEvent[] = [];
    await expect
      .poll(async () => {
        all.length = 0;
        const options = { since: 1, kinds: ["guest"], end: true };
        for await (const event of readEvents(`${machine.address}_1028`, options)) all.push(event as GuestEvent);
        return all.some((event) => event.epoch === epoch);
      })
      .toBe(true);
    return all.filter((event) => event.epoch === epoch).length;
  }
});
