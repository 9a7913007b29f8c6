import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

const KILL = 9;

/** Scenarios of PauseContainer and ResumeContainer, observed through the processes. */
export function pauseScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;
  const wrongState = (call: string, state: string) => ({
    code: 13,
    message: expect.stringMatching(new RegExp(`^failed to ${call} container \\S+: current status is: ${state}$`)),
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
}
