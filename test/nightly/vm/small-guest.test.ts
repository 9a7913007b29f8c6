import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../../../host/client/agent-client.ts";
import { dial } from "../../../host/client/dial.ts";
import { Pod } from "../../scenarios/pod.ts";
import { halfGrpc, openHttp2 } from "../../transport/testing/half-request.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";

const MEMORY_MIB = 128;
/** Bytes of a request near the maximum length. */
const LONG = 4_100_000;
const AT_ONCE = 16;

/** Requests of 4 MiB: one long name, and a field of two million short ones. */
const HOSTILE: Readonly<Record<string, (client: AgentClient) => Promise<unknown>>> = {
  "a long name": ({ agent }) =>
    agent.execProcess({ container_id: "x".repeat(LONG), exec_id: "e", process: { Args: ["true"] } }),
  "two million variables": ({ agent }) =>
    agent.execProcess({ container_id: "none", exec_id: "e", process: { Env: Array(1_900_000).fill("") } }),
};

describe(`a guest of ${MEMORY_MIB} MiB`, () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  let id: string;
  beforeAll(async () => {
    machine = await startGuestMachine(MEMORY_MIB);
    pod = await Pod.open(machine);
    id = await pod.start(["sleep", "1000"]);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  const says = async (from: Pod) => (await from.execute(id, ["echo", "here"])).stdout.toString();

  const expectAllWell = async () => {
    expect(machine.console().split("guestd: listening")).toHaveLength(2);
    await using client = await machine.connect();
    expect((await client.health.check({})).status).toBe(1);
    const { stdout } = await new Pod(machine, client).run(["echo", "again"]);
    expect(stdout.toString()).toBe("again\n");
    expect(await says(pod)).toBe("here\n");
    expect(machine.guest.signal.aborted).toBe(false);
  };

  it("has room for a container and an exec", async () => {
    expect(await says(pod)).toBe("here\n");
  });

  it.each(Object.entries(HOSTILE))(
    "answers many simultaneous requests of 4 MiB, of %s, with the same agent",
    async (_, call) => {
      const clients = await Promise.all(Array.from({ length: AT_ONCE }, () => machine.connect()));
      const answers = await Promise.allSettled(clients.map(call));
      await Promise.all(clients.map((client) => client.close()));
      for (const answer of answers) {
        expect(answer.status === "rejected" && answer.reason).toMatchObject({
          message: expect.stringMatching(
            /all memory for requests is in use|more than \d+ fields|longer than|not found|Invalid container/i,
          ),
        });
      }
      await expectAllWell();
    },
  );

  it("holds half-sent requests of 4 MiB over gRPC, and serves other clients", async () => {
    const open = async () => openHttp2(await dial(machine.address));
    const sessions = await Promise.all(Array.from({ length: AT_ONCE }, open));
    await Promise.all(sessions.map((session) => halfGrpc(session, LONG, "/grpc.AgentService/ExecProcess")));
    await expectAllWell();
    for (const session of sessions) session.destroy();
  });
});
