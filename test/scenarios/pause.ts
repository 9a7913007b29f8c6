import { expect, it } from "vitest";
import { isPendingFor } from "./is-pending.ts";
import type { Pod } from "./pod.ts";

const KILL = 9;
const TERM = 15;

/** Scenarios of PauseContainer and ResumeContainer, observed through the processes. */
export function pauseScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;
  const wrongState = (call: string, state: string) => ({
    code: 13,
    message: expect.stringMatching(new RegExp(`^failed to ${call} container \\S+: current status is: ${state}$`)),
  });

  it("a paused container's processes and its execs stop, and continue when it is resumed", async () => {
    const container_id = await pod().start(["sh", "-c", "while :; do echo tick; usleep 10000; done"]);
    const exec_id = await pod().exec(container_id, ["sh", "-c", "while :; do echo tock; usleep 10000; done"]);
    const read = (exec_id: string, timeoutMs: number) =>
      agent().readStdout({ container_id, exec_id, len: 65_536 }, { timeoutMs });
    for (const id of [container_id, exec_id]) await read(id, 10_000);
    await agent().pauseContainer({ container_id });
    const frozen = `cat /sys/fs/cgroup/containers/${container_id}/cgroup.events`;
    expect(await pod().machine.shell(frozen)).toContain("frozen 1");
    for (const id of [container_id, exec_id]) {
      // Earlier output, if any, arrives in one read.
      const last = await read(id, 300).catch((error: unknown) => error);
      if (last instanceof Error) expect(last).toMatchObject({ kind: "deadline-exceeded" });
      await expect(read(id, 300)).rejects.toMatchObject({ kind: "deadline-exceeded" });
    }
    await agent().resumeContainer({ container_id });
    expect(await pod().machine.shell(frozen)).toContain("frozen 0");
    for (const id of [container_id, exec_id]) {
      expect((await read(id, 10_000)).data.length).toBeGreaterThan(0);
    }
    await pod().remove(container_id);
  });

  it("only a running container can be paused, and only a paused one resumed", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const exec = () => pod().execute(container_id, ["true"]);
    await expect(agent().resumeContainer({ container_id })).rejects.toMatchObject(wrongState("resume", "Running"));
    await agent().pauseContainer({ container_id });
    await expect(agent().pauseContainer({ container_id })).rejects.toMatchObject(wrongState("pause", "Paused"));
    await expect(exec()).rejects.toThrow(/^exec in container \S+: it is paused; resume it first$/);
    await agent().resumeContainer({ container_id });
    expect((await exec()).status).toBe(0);
    await agent().signalProcess({ container_id, exec_id: container_id, signal: KILL });
    await agent().waitProcess({ container_id, exec_id: container_id });
    await expect(agent().pauseContainer({ container_id })).rejects.toMatchObject(wrongState("pause", "Stopped"));
    await pod().remove(container_id);
    const none = { container_id: "no-such" };
    await expect(agent().pauseContainer(none)).rejects.toMatchObject({ code: 3 });
    await expect(agent().resumeContainer(none)).rejects.toMatchObject({ code: 3 });
  });

  it("a created container can be paused, and can't start before it is resumed", async () => {
    const container_id = await pod().create(["echo", "started"]);
    await agent().pauseContainer({ container_id });
    await expect(agent().startContainer({ container_id })).rejects.toMatchObject({
      message: expect.stringMatching(/^start container .*: it is paused; resume it first$/),
    });
    await agent().resumeContainer({ container_id });
    await agent().startContainer({ container_id });
    expect((await pod().finish(container_id, container_id)).stdout.toString()).toBe("started\n");
    await pod().remove(container_id);
  });

  it("KILL ends a paused container, and other signals wait until it is resumed", async () => {
    const line = "trap 'echo caught; exit 5' TERM; echo ready; while :; do usleep 10000; done";
    const container_id = await pod().start(["sh", "-c", line]);
    const ids = { container_id, exec_id: container_id };
    await agent().readStdout({ ...ids, len: 100 });
    await agent().pauseContainer({ container_id });
    await agent().signalProcess({ ...ids, signal: TERM });
    const end = agent().waitProcess(ids);
    expect(await isPendingFor(300, end)).toBe(true);
    await agent().resumeContainer({ container_id });
    expect((await agent().readStdout({ ...ids, len: 100 })).data.toString()).toBe("caught\n");
    expect((await end).status).toBe(5);
    await pod().remove(container_id);
    for (const exec_id of ["", undefined]) {
      const other = await pod().start(["sleep", "1000"]);
      await agent().pauseContainer({ container_id: other });
      await agent().signalProcess({ container_id: other, exec_id: exec_id ?? other, signal: KILL });
      expect((await agent().waitProcess({ container_id: other, exec_id: other })).status).toBe(137);
      await pod().remove(other);
    }
  });

  it("a paused container is removed like any other", async () => {
    const container_id = await pod().start(["sh", "-c", "sleep 1000 & sleep 1000"]);
    await agent().pauseContainer({ container_id });
    await pod().remove(container_id);
    expect(await pod().machine.shell(`ls -d /sys/fs/cgroup/containers/${container_id} 2>/dev/null || echo gone`)).toBe(
      "gone\n",
    );
  });
}
