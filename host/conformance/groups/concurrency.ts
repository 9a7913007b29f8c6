import type { CaseGroup } from "../case.ts";
import { equal, holds, refused } from "../check.ts";

const KILL = 9;

export const concurrency: CaseGroup = {
  name: "concurrency",
  title: "Calls at the same time",
  needs: ["rootfs"],
  cases: [
    {
      name: "CreateContainer: ten at once all run",
      level: "must",
      source: "containers of a pod start in parallel",
      run: async (context) => {
        const ended = await Promise.all(Array.from({ length: 10 }, (_, at) => context.run(["echo", String(at)])));
        equal(
          ended.map(({ stdout }) => stdout),
          ended.map((_, at) => `${at}\n`),
          "the outputs",
        );
      },
    },
    {
      name: "Check: is answered within ten seconds while containers are created, executed into and removed",
      level: "must",
      source: "Go shim ends the sandbox after one health check of 30 s",
      run: async (context) => {
        let isDone = false;
        const work = Promise.all(
          Array.from({ length: 4 }, async () => {
            for (let round = 0; round < 4; round++) {
              const id = await context.sleeper();
              await context.execute(id, "echo x");
              await context.remove(id);
            }
          }),
        ).finally(() => {
          isDone = true;
        });
        work.catch(() => undefined);
        let longest = 0;
        while (!isDone) {
          const begun = performance.now();
          await context.health.check({});
          longest = Math.max(longest, performance.now() - begun);
          await context.pause(10);
        }
        await work;
        holds(longest < 10_000, "every health check takes less than ten seconds", `${longest.toFixed(0)} ms`);
      },
    },
    {
      name: "SignalProcess: is answered while reads, writes and waits of the same container are open",
      level: "must",
      source: "kata-containers issue 13452: kills that time out",
      run: async (context) => {
        const id = await context.sleeper();
        const exec_id = await context.exec(id, ["sleep", "1000"]);
        const ids = { container_id: id, exec_id };
        const held = [
          context.agent.readStdout({ ...ids, len: 10 }),
          context.agent.readStderr({ ...ids, len: 10 }),
          context.agent.writeStdin({ ...ids, data: Buffer.alloc(300_000) }),
          context.agent.waitProcess({ container_id: id, exec_id: id }),
        ];
        const ends = Promise.allSettled(held);
        await context.kill(id, KILL, exec_id);
        equal((await context.agent.waitProcess(ids)).status, 137, "the exec's status");
        await context.kill(id, KILL, "");
        await ends;
      },
    },
    {
      name: "StatsContainer: fifty at once beside execs are all answered",
      level: "should",
      source: "kata-containers issue 13452: statistics hold back other calls",
      run: async (context) => {
        const id = await context.sleeper();
        const stats = Array.from({ length: 50 }, () => context.agent.statsContainer({ container_id: id }));
        const execs = Array.from({ length: 5 }, (_, at) => context.execute(id, `exit ${at}`));
        equal(
          (await Promise.all(execs)).map(({ status }) => status),
          [0, 1, 2, 3, 4],
          "the statuses",
        );
        await Promise.all(stats);
      },
    },
    {
      name: "RemoveContainer: ends reads, waits and execs in progress",
      level: "should",
      source: "a pod that is deleted while probes run",
      run: async (context) => {
        const id = await context.sleeper();
        const exec_id = await context.exec(id, ["sleep", "1000"]);
        const open = [
          context.agent.readStdout({ container_id: id, exec_id, len: 100 }),
          context.agent.readStderr({ container_id: id, exec_id: "", len: 100 }),
          context.agent.waitProcess({ container_id: id, exec_id }),
          ...Array.from({ length: 5 }, () => context.exec(id, ["sleep", "1000"])),
        ];
        const settled = Promise.allSettled(open);
        await context.remove(id);
        await settled;
        await refused(context.agent.waitProcess({ container_id: id, exec_id }));
      },
    },
    {
      name: "ReadStdout: ten containers that print 300 kB at once lose nothing",
      level: "must",
      source: "kata-containers issues 1713 and 9186",
      timeLimit: 60,
      run: async (context) => {
        const expected = Array.from({ length: 50_000 }, (_, at) => `${at + 1}\n`).join("");
        const ended = await Promise.all(Array.from({ length: 10 }, () => context.run(["seq", "1", "50000"])));
        equal(
          ended.map(({ stdout }) => stdout === expected),
          ended.map(() => true),
          "the outputs are complete",
        );
      },
    },
    {
      name: "ExecProcess: two connections see the same containers",
      level: "must",
      source: "agent-ctl beside a shim",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "read x; echo got $x; exit 4"]);
        const other = await context.connect();
        await other.agent.writeStdin({ container_id: id, exec_id: id, data: Buffer.from("typed\n") });
        const { data } = await other.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
        equal(Buffer.from(data).toString(), "got typed\n", "stdout by the other connection");
        equal(
          (await context.agent.waitProcess({ container_id: id, exec_id: id })).status,
          4,
          "the status by the first",
        );
      },
    },
  ],
};
