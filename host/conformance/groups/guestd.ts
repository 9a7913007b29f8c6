import { RpcError } from "../../client/rpc-error.ts";
import type { CaseGroup } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";

export const guestd: CaseGroup = {
  name: "guestd",
  title: "guestd.v1, guestd's own service",
  cases: [
    {
      name: "Running: names the running agent",
      level: "may",
      source: "guestd.proto",
      run: async ({ guest }) => holds((await guest.running({})).generation >= 1, "generation is at least 1"),
    },
    {
      name: "Explain: lists the operations that created a container, the last one its executable",
      level: "may",
      source: "guestd.proto",
      needs: ["rootfs"],
      run: async (context) => {
        const { steps } = await context.guest.explain({ container_id: await context.create(["sleep", "7"]) });
        const last = steps.at(-1);
        equal([last?.operation, last?.object, last?.reason], ["execve", "sleep 7", "process.args"], "the last step");
      },
    },
    {
      name: "Explain: of an unknown container is NOT_FOUND",
      level: "may",
      source: "guestd.proto",
      run: ({ guest }) => refused(guest.explain({ container_id: "conf-no-such" }), { codes: ["not-found"] }),
    },
    {
      name: "Kill: the agent kills itself, and the next generation answers",
      level: "may",
      source: "guestd.proto",
      needs: ["own-agent"],
      timeLimit: 60,
      run: async (context) => {
        const { generation } = await context.guest.running({});
        await context.guest.kill({}).catch((error: unknown) => {
          // A gRPC connection ends with its agent, sometimes before the answer.
          if (!(error instanceof RpcError && error.kind === "unavailable")) throw error;
        });
        await context.eventually(
          async () => {
            if (!(await context.session.isAlive(1000))) return 0;
            const { guest } = await context.connect();
            return (await guest.running({}).catch(() => ({ generation: 0 }))).generation;
          },
          (next) => next > generation,
        );
      },
    },
    {
      name: "Upgrade: a bundle that does not exist is refused",
      level: "may",
      source: "guestd.proto",
      needs: ["own-agent"],
      run: ({ guest }) => refused(guest.upgrade({ path: "/run/conf-no-such", sha256: "0".repeat(64) })),
    },
    {
      name: "GetMetrics: includes guestd's own metrics",
      level: "may",
      source: "docs/protocol.md, metrics",
      run: async ({ agent }) => {
        const { metrics } = await agent.getMetrics({});
        for (const name of ["guestd_heap_bytes", "guestd_agent_restarts", "guestd_launches_total"]) {
          matches(metrics, new RegExp(`^${name} `, "m"), "the metrics");
        }
      },
    },
  ],
};
