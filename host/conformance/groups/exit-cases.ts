import type { ConformanceCase } from "../case.ts";
import { equal, refused } from "../check.ts";

const [KILL, TERM] = [9, 15];

/** Returns a case in which a signal without a handler ends an exec. */
function endsBy(signal: number, what: string): ConformanceCase {
  return {
    name: `WaitProcess: returns ${128 + signal} for a process that signal ${signal} (${what}) ended`,
    level: signal === KILL ? "must" : "should",
    source: "containerd, exit codes: 128 + signal",
    run: async (context) => {
      const id = await context.sleeper();
      const exec = await context.exec(id, ["sleep", "1000"]);
      await context.kill(id, signal, exec);
      equal((await context.finish(id, exec)).status, 128 + signal, "the status");
    },
  };
}

/** Cases of processes that end: their statuses and those who wait for them. */
export const exitCases: readonly ConformanceCase[] = [
  ...[0, 1, 42, 255].map(
    (code): ConformanceCase => ({
      name: `WaitProcess: returns the exit code ${code}`,
      level: "must",
      source: "Go shim and runtime-rs, exit of a task",
      run: async (context) => equal((await context.run(["sh", "-c", `exit ${code}`])).status, code, "the status"),
    }),
  ),
  ...(
    [
      [KILL, "SIGKILL"],
      [TERM, "SIGTERM"],
      [3, "SIGQUIT, which dumps core"],
      [11, "SIGSEGV"],
      [34, "a real-time signal"],
    ] as const
  ).map(([signal, what]) => endsBy(signal, what)),
  {
    name: "WaitProcess: waits until the process has ended",
    level: "must",
    source: "Go shim and runtime-rs, no time limit",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "read x; exit 6"]);
      const wait = context.agent.waitProcess({ container_id: id, exec_id: id });
      await context.stillOpen(wait, "WaitProcess");
      await context.write("\n", id);
      equal((await wait).status, 6, "the status");
    },
  },
  {
    name: "WaitProcess: works with the container id and with an empty exec id",
    level: "must",
    source: "Go shim sends the container id, runtime-rs an empty one",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "read x; exit 5"]);
      const waits = [id, ""].map((exec_id) => context.agent.waitProcess({ container_id: id, exec_id }));
      await context.health.check({});
      await context.write("\n", id);
      equal(
        (await Promise.all(waits)).map(({ status }) => status),
        [5, 5],
        "the statuses",
      );
    },
  },
  {
    name: "WaitProcess: ten waiters at once all get the status",
    level: "must",
    source: "behaviour of the reference",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "read x; exit 5"]);
      const waits = Array.from({ length: 10 }, () => context.agent.waitProcess({ container_id: id, exec_id: id }));
      await context.health.check({});
      await context.write("\n", id);
      equal(new Set((await Promise.all(waits)).map(({ status }) => status)), new Set([5]), "the statuses");
    },
  },
  {
    name: "WaitProcess: returns the status of a process that ended before the call",
    level: "must",
    source: "both hosts wait only after the output has ended",
    run: async (context) => {
      const id = await context.sleeper();
      const exec = await context.exec(id, ["sh", "-c", "exit 9"]);
      await context.drain("readStdout", id, exec);
      await context.drain("readStderr", id, exec);
      await context.pause(100);
      equal((await context.agent.waitProcess({ container_id: id, exec_id: exec })).status, 9, "the status");
    },
  },
  {
    name: "WaitProcess: a second wait returns the status again or NOT_FOUND",
    level: "should",
    source: "Go shim waits again and ignores the error",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "exit 7"]);
      await context.finish(id);
      const again = context.agent.waitProcess({ container_id: id, exec_id: id });
      const status = await again.then((answer) => answer.status).catch(() => refused(again, { codes: ["not-found"] }));
      if (typeof status === "number") equal(status, 7, "the second status");
    },
  },
  {
    name: "WaitProcess: a second wait returns the status again",
    level: "may",
    source: "guestd: needed after a lost connection",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "exit 7"]);
      await context.finish(id);
      for (const exec_id of [id, ""]) {
        equal((await context.agent.waitProcess({ container_id: id, exec_id })).status, 7, "the status");
      }
    },
  },
  {
    name: "WaitProcess: orphans of a process are reaped and don't delay its end",
    level: "should",
    source: "kata-containers agent 370",
    run: async (context) => {
      const id = await context.sleeper();
      const exec = await context.exec(id, [
        "sh",
        "-c",
        "i=0; while [ $i -lt 50 ]; do sleep 761 > /dev/null 2>&1 & i=$((i+1)); done; exit 2",
      ]);
      equal((await context.finish(id, exec)).status, 2, "the status");
    },
  },
  {
    name: "RemoveContainer: gives open waits their status, and ends open reads",
    level: "should",
    source: "hosts that wait and remove at once",
    run: async (context) => {
      const id = await context.sleeper();
      const exec = await context.exec(id, ["sleep", "1000"]);
      const waits = [exec, "", id].map((exec_id) => context.agent.waitProcess({ container_id: id, exec_id }));
      const reads = [exec, ""].flatMap((exec_id) =>
        [context.agent.readStdout, context.agent.readStderr].map((read) =>
          read({ container_id: id, exec_id, len: 100 }).catch(() => ({ data: [] })),
        ),
      );
      await context.health.check({});
      await context.remove(id);
      const statuses = (await Promise.all(waits)).map(({ status }) => status);
      equal(statuses, [137, 137, 137], "the statuses of the exec and of the first process");
      const lengths = (await Promise.all(reads)).map(({ data }) => data.length);
      equal(lengths, [0, 0, 0, 0], "the lengths of what the reads returned");
    },
  },
  {
    name: "WaitProcess: twenty containers that end at once all report their status",
    level: "must",
    source: "kata-containers issue 1826, reaping",
    run: async (context) => {
      const codes = Array.from({ length: 20 }, (_, code) => code);
      const ended = await Promise.all(codes.map((code) => context.run(["sh", "-c", `exit ${code}`])));
      equal(
        ended.map(({ status }) => status),
        codes,
        "the statuses",
      );
    },
  },
];
