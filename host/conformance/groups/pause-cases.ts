import type { ConformanceCase } from "../case.ts";
import { equal, holds, type Refusal, refused } from "../check.ts";

const [KILL, TERM] = [9, 15];

/** Answer of the reference to a call that the container's state doesn't allow. */
const WRONG_STATE: Refusal = { codes: ["internal"], text: /status is/ };

/** Cases of paused containers. */
export const pauseCases: readonly ConformanceCase[] = [
  {
    name: "PauseContainer: stops the container's processes until ResumeContainer",
    level: "should",
    source: "Go shim and runtime-rs, ctr task pause",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "while :; do echo tick; usleep 10000; done"]);
      const exec = await context.exec(id, ["sh", "-c", "while :; do echo tock; usleep 10000; done"]);
      await context.readUntil("tick\n", id);
      await context.readUntil("tock\n", id, exec);
      await context.agent.pauseContainer({ container_id: id });
      const [first, second] = [await context.readUntilSilent(id), await context.readUntilSilent(id, exec)];
      await context.agent.resumeContainer({ container_id: id });
      holds((await first.open).data.length > 0, "the container prints again after ResumeContainer");
      holds((await second.open).data.length > 0, "its exec prints again too");
    },
  },
  {
    name: "PauseContainer: a paused container can't be paused again, a running one not resumed",
    level: "should",
    source: "behaviour of the reference: INTERNAL in a wrong state",
    run: async (context) => {
      const container_id = await context.sleeper();
      await refused(context.agent.resumeContainer({ container_id }), WRONG_STATE);
      await context.agent.pauseContainer({ container_id });
      await refused(context.agent.pauseContainer({ container_id }), WRONG_STATE);
      await context.agent.resumeContainer({ container_id });
      equal((await context.execute(container_id, "echo alive")).stdout, "alive\n", "the output of an exec");
    },
  },
  {
    name: "PauseContainer: of a container that has ended is refused",
    level: "should",
    source: "behaviour of the reference: INTERNAL in a wrong state",
    run: async (context) => {
      const container_id = await context.start(["true"]);
      await context.finish(container_id);
      await refused(context.agent.pauseContainer({ container_id }), WRONG_STATE);
    },
  },
  {
    name: "StartContainer: of a paused container is refused until it is resumed",
    level: "may",
    source: "guestd",
    mayBlockAgent: true,
    run: async (context) => {
      const container_id = await context.create(["echo", "started"]);
      await context.agent.pauseContainer({ container_id });
      await refused(context.agent.startContainer({ container_id }), { text: /paused/ });
      await context.agent.resumeContainer({ container_id });
      await context.agent.startContainer({ container_id });
      equal((await context.finish(container_id)).stdout, "started\n", "stdout");
    },
  },
  {
    name: "SignalProcess: KILL ends a paused container",
    level: "should",
    source: "containerd, kill of a paused task",
    run: async (context) => {
      const id = await context.sleeper();
      await context.agent.pauseContainer({ container_id: id });
      await context.kill(id, KILL, "");
      const { status } = await context.agent.waitProcess({ container_id: id, exec_id: id });
      equal(status, 137, "the status");
    },
  },
  {
    name: "SignalProcess: TERM to a paused container takes effect once it is resumed",
    level: "should",
    source: "cgroups(7), freezer: signals of a frozen process wait",
    run: async (context) => {
      const line = "trap 'echo caught; exit 5' TERM; echo ready; while :; do usleep 10000; done";
      const id = await context.start(["sh", "-c", line]);
      await context.readUntil("ready\n", id);
      await context.agent.pauseContainer({ container_id: id });
      await context.kill(id, TERM);
      const wait = context.agent.waitProcess({ container_id: id, exec_id: id });
      await context.stillOpen(wait, "WaitProcess of a paused process");
      await context.agent.resumeContainer({ container_id: id });
      equal((await wait).status, 5, "the status");
    },
  },
  {
    name: "RemoveContainer: removes a paused container",
    level: "may",
    source: "guestd",
    run: async (context) => {
      const container_id = await context.sleeper();
      await context.agent.pauseContainer({ container_id });
      await context.remove(container_id);
    },
  },
  {
    name: "ExecProcess: into a paused container is refused instead of hanging",
    level: "may",
    source: "guestd",
    mayBlockAgent: true,
    run: async (context) => {
      const container_id = await context.sleeper();
      await context.agent.pauseContainer({ container_id });
      await refused(context.exec(container_id, ["true"]), { text: /paused/ });
      await context.agent.resumeContainer({ container_id });
    },
  },
];
