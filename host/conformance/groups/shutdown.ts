import type { CaseGroup } from "../case.ts";
import { equal } from "../check.ts";

export const shutdown: CaseGroup = {
  name: "shutdown",
  title: "End of the sandbox",
  needs: ["rootfs", "own-agent"],
  cases: [
    {
      name: "DestroySandbox: is answered",
      level: "must",
      source: "Go shim, stop of a sandbox",
      endsAgent: true,
      run: ({ agent }) => agent.destroySandbox({}),
    },
    {
      name: "DestroySandbox: is answered while a container runs and a host waits for it",
      level: "must",
      source: "Go shim, stop of a sandbox",
      endsAgent: true,
      run: async (context) => {
        const id = await context.sleeper();
        const open = [
          context.agent.waitProcess({ container_id: id, exec_id: id }),
          context.agent.readStdout({ container_id: id, exec_id: id, len: 100 }),
          context.agent.getOOMEvent({}),
        ];
        const settled = Promise.allSettled(open);
        await context.agent.destroySandbox({});
        await settled;
      },
    },
    {
      name: "DestroySandbox: the agent ends, and with it its connections",
      level: "should",
      source: "Go shim, agents in a VM power it off",
      endsAgent: true,
      run: async (context) => {
        await context.agent.destroySandbox({});
        const closed = await Promise.race([
          context.client.closed.then(() => true),
          context.pause(20_000).then(() => false),
        ]);
        equal(closed, true, "the connection is closed within 20 s");
      },
    },
  ],
};
