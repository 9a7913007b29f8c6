import { expect, it } from "vitest";
import { isPendingFor } from "./is-pending.ts";
import type { Pod } from "./pod.ts";

const TERM = 15;
const KILL = 9;

/**
 * Scenarios that show that a process's end is permanent and comes after its output, and that a blocked call never
 * blocks the calls that end processes.
 */
export function processEndScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;
  const sleeper = () => pod().start(["sleep", "1000"]);

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

  it("output can be read after the exit status was returned, then reads return the end, then the process is gone", async () => {
    const container_id = await sleeper();
    const line = "printf 0123456789; printf error >&2; exit 3";
    for (const exec_id of [await pod().exec(container_id, ["sh", "-c", line]), ""]) {
      const id = exec_id === "" ? await pod().start(["sh", "-c", line]) : container_id;
      const ids = { container_id: id, exec_id };
      expect((await agent().waitProcess(ids)).status).toBe(3);
      const pieces: string[] = [];
      for (let piece = "x"; piece !== ""; pieces.push(piece)) {
        piece = Buffer.from((await agent().readStdout({ ...ids, len: 4 })).data).toString();
      }
      expect(pieces).toEqual(["0123", "4567", "89", ""]);
      expect((await pod().drain("readStderr", id, exec_id)).toString()).toBe("error");
      for (const read of [agent().readStdout, agent().readStderr]) {
        await expect(read({ ...ids, len: 4 })).rejects.toMatchObject({ code: 5, message: /process not found/ });
      }
      expect((await agent().waitProcess(ids)).status).toBe(3);
      if (exec_id === "") await pod().remove(id);
    }
    await pod().remove(container_id);
  });

  it("a process whose output is not read blocks, and none of its output is lost", async () => {
    const container_id = await sleeper();
    const exec_id = await pod().exec(container_id, ["sh", "-c", "head -c 1000000 /dev/zero; exit 4"]);
    const end = agent().waitProcess({ container_id, exec_id });
    expect(await isPendingFor(300, end)).toBe(true);
    // Not to the end of the output: with the status delivered, the process is gone once its output was read.
    let stdout = Buffer.alloc(0);
    while (stdout.length < 1_000_000) {
      const { data } = await agent().readStdout({ container_id, exec_id, len: 32_768 });
      stdout = Buffer.concat([stdout, data]);
    }
    expect([stdout.equals(Buffer.alloc(1_000_000)), (await end).status]).toEqual([true, 4]);
    await pod().remove(container_id);
  });

  it.each([
    ["holds a terminal open", true, "trap '' HUP; sleep 771 & echo out; exit 3"],
    ["writes without end", false, "yes out & exit 3"],
    ["writes to a terminal without end", true, "trap '' HUP; yes out & exit 3"],
  ])("a grandchild that %s does not delay the end", async (_what, Terminal, line) => {
    const container_id = await sleeper();
    const exec_id = await pod().exec(container_id, ["sh", "-c", line], { Terminal });
    const stdout = await pod().drain("readStdout", container_id, exec_id);
    expect((await agent().waitProcess({ container_id, exec_id })).status).toBe(3);
    const end = Terminal ? "\r\n" : "\n";
    const lines = stdout.toString().split(end);
    expect(lines.length).toBeGreaterThan(1);
    expect("out\r").toContain(lines.pop());
    expect(new Set(lines)).toEqual(new Set(["out"]));
    await pod().remove(container_id);
  });

  it("a signal to an ended process does nothing until its status was returned, and then fails because it is gone", async () => {
    const container_id = await sleeper();
    const exec_id = await pod().exec(container_id, ["true"]);
    await pod().drain("readStdout", container_id, exec_id);
    for (const signal of [TERM, KILL]) await agent().signalProcess({ container_id, exec_id, signal });
    expect((await agent().waitProcess({ container_id, exec_id })).status).toBe(0);
    const gone = { code: 5, message: expect.stringContaining("ESRCH: No such process") };
    for (const signal of [TERM, KILL]) {
      await expect(agent().signalProcess({ container_id, exec_id, signal })).rejects.toMatchObject(gone);
    }
    await agent().signalProcess({ container_id, exec_id: "", signal: KILL });
    await agent().waitProcess({ container_id, exec_id: "" });
    await expect(agent().signalProcess({ container_id, exec_id: "", signal: TERM })).rejects.toMatchObject(gone);
    await expect(agent().signalProcess({ container_id, exec_id: container_id, signal: KILL })).rejects.toMatchObject(
      gone,
    );
    // Hosts end a container this way whether it runs or not.
    await agent().signalProcess({ container_id, exec_id: "", signal: KILL });
    await pod().remove(container_id);
  });

  it.each([TERM, KILL])("signal %i ends a created container, which then can't be started", async (signal) => {
    const container_id = await pod().create(["sleep", "1000"]);
    await agent().signalProcess({ container_id, exec_id: "", signal });
    expect((await pod().finish(container_id, "")).status).toBe(137);
    await expect(agent().startContainer({ container_id })).rejects.toMatchObject({
      code: 13,
      message: `start container ${container_id}: its init process has ended`,
    });
    await pod().remove(container_id);
  });

  it("RemoveContainer gives an open wait the status and an open read its end", async () => {
    const container_id = await sleeper();
    const exec_id = await pod().exec(container_id, ["sleep", "1000"]);
    const waits = [exec_id, "", container_id].map((id) => agent().waitProcess({ container_id, exec_id: id }));
    const reads = [exec_id, ""].flatMap((id) =>
      [agent().readStdout, agent().readStderr].map((read) => read({ container_id, exec_id: id, len: 100 })),
    );
    const ends = Promise.all([Promise.all(waits), Promise.allSettled(reads)]);
    await pod().client.health.check({});
    await pod().remove(container_id);
    const [statuses, outputs] = await ends;
    expect(statuses.map(({ status }) => status)).toEqual([137, 137, 137]);
    for (const output of outputs) {
      if (output.status === "fulfilled") expect(output.value.data).toHaveLength(0);
      else expect(output.reason).toMatchObject({ code: 5, message: "read: the process was removed" });
    }
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
