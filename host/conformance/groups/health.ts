import type { CaseGroup } from "../case.ts";
import { equal, holds, matches } from "../check.ts";

const SERVING = 1;

export const health: CaseGroup = {
  name: "health",
  title: "Health and version",
  parallel: true,
  cases: [
    {
      name: "Check: answers SERVING",
      level: "must",
      source: "Go shim, health check every 5 s",
      run: async ({ health }) => equal((await health.check({})).status, SERVING, "the status"),
    },
    {
      name: "Check: is answered before a sandbox exists",
      level: "must",
      source: "Go shim, first call of a sandbox",
      run: async ({ health }) => equal((await health.check({ service: "" })).status, SERVING, "the status"),
    },
    {
      name: "Check: is answered within five seconds",
      level: "should",
      source: "Go shim, health check",
      run: async ({ health }) => {
        await health.check({});
        const begun = performance.now();
        await health.check({});
        const ms = performance.now() - begun;
        holds(ms < 5000, "the second Check takes less than five seconds", `${ms.toFixed(0)} ms`);
      },
    },
    {
      name: "Check: is answered on each of ten connections",
      level: "must",
      source: "agent-ctl beside a shim",
      run: async (context) => {
        const clients = await Promise.all(Array.from({ length: 10 }, () => context.connect()));
        const answers = await Promise.all(clients.map(({ health }) => health.check({})));
        equal(new Set(answers.map(({ status }) => status)), new Set([SERVING]), "the statuses");
      },
    },
    {
      name: "Check: a connection that is opened and closed without a byte does no harm",
      level: "must",
      source: "runtime-rs, dial with retries",
      run: async (context) => {
        for (let time = 0; time < 20; time++) (await context.dial()).destroy();
        equal((await context.health.check({})).status, SERVING, "the status");
      },
    },
    {
      name: "Version: has the agent's version, as three numbers",
      level: "should",
      source: "runtime-rs, every tenth health check",
      run: async ({ health }) => matches((await health.version({})).agent_version, /^\d+\.\d+\.\d+/, "agent_version"),
    },
    {
      name: "Version: has the version 0.0.1 of the protocol",
      level: "should",
      source: "agent.proto, VersionCheckResponse",
      run: async ({ health }) => equal((await health.version({})).grpc_version, "0.0.1", "grpc_version"),
    },
  ],
};
