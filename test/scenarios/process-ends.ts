import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

const KILL = 9;

/** Scenarios that show that all waiters get a process's end, and that a blocked call never blocks the calls that end processes. */
export function processEndScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;

  it("a hundred waiters on ten connections of both protocols get the status, and so do as many later ones", async () => {
    const { machine } = pod();
    const protocols = Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? "ttrpc" : "grpc"));
    const clients = await Promise.all(protocols.map((protocol) => machine.connect({ protocol })));
    const container_id = await pod().start(["sh", "-c", "read x; exit 6"]);
    const ask = () =>
      clients.flatMap((client, index) =>
        Array.from({ length: 10 }, (_, at) =>
          client.agent.waitProcess({ container_id, exec_id: (index + at) % 2 === 0 ? "" : container_id }),
        ),
      );
    const waiting = ask();
    // Answered after the waits of its connection have begun.
    await Promise.all(clients.map(({ health }) => health.check({})));
    await agent().writeStdin({ container_id, exec_id: "", data: Buffer.from("\n") });
    for (const answers of [await Promise.all(waiting), await Promise.all(ask())]) {
      expect(answers.map(({ status }) => status)).toEqual(new Array(100).fill(6));
    }
    await Promise.all(clients.map((client) => client.close()));
    expect((await agent().waitProcess({ container_id, exec_id: "" })).status).toBe(6);
    await pod().remove(container_id);
  });

  it("kill, wait and Check are answered while a start, a write and reads of the same container are blocked", async () => {
    const { Path, Args } = { Path: "/bin/busybox", Args: ["sleep", "1000"] };
    const container_id = await pod().create(["sleep", "1000"], { Hooks: { StartContainer: [{ Path, Args }] } });
    const exec_id = await pod().exec(container_id, ["sleep", "1000"]);
    const ids = { container_id, exec_id };
    // Fills the pipe; a long request that waits for it might arrive after the short ones below.
    await agent().writeStdin({ ...ids, data: Buffer.alloc(1 << 16) });
    let ended = 0;
    const held = [
      agent().startContainer({ container_id }),
      agent().writeStdin({ ...ids, data: Buffer.alloc(10) }),
      agent().readStdout({ ...ids, len: 10 }),
    ].map((call) => call.catch((error: Error) => error.message).finally(() => ended++));
    expect((await pod().client.health.check({})).status).toBe(1);
    await agent().statsContainer({ container_id });
    expect((await pod().execute(container_id, ["echo", "between"])).stdout.toString()).toBe("between\n");
    expect(ended).toBe(0);
    await agent().signalProcess({ ...ids, signal: KILL });
    expect((await agent().waitProcess(ids)).status).toBe(137);
    await agent().signalProcess({ container_id, exec_id: "", signal: KILL });
    expect((await agent().waitProcess({ container_id, exec_id: "" })).status).toBe(137);
    const [start, write] = await Promise.all(held);
    expect(start).toMatch(/^hook startContainer\[0\]/);
    expect(write).toMatch(/^write to stdin: (it is closed|EPIPE \(the process no longer reads it\))$/);
    await pod().remove(container_id);
  });
}
