import { RpcError } from "../../client/rpc-error.ts";
import type { CaseGroup, ConformanceCase } from "../case.ts";
import { equal, holds, refused } from "../check.ts";

const [INT, KILL, USR1, USR2, TERM, CONT, STOP] = [2, 9, 10, 12, 15, 18, 19];

/** Texts that hosts read as "this process has ended". */
const GONE = /ESRCH: No such process|process not found|no such process|cannot find/i;

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

export const signals: CaseGroup = {
  name: "signals",
  title: "Signals, ends and exit codes",
  parallel: true,
  needs: ["rootfs"],
  cases: [
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
        const status = await again
          .then((answer) => answer.status)
          .catch(() => refused(again, { codes: ["not-found"] }));
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
      name: "SignalProcess: KILL with an empty exec id ends all processes of the container",
      level: "must",
      source: "Go shim and runtime-rs, stop of a container",
      run: async (context) => {
        const id = await context.sleeper();
        const exec = await context.exec(id, ["sleep", "1000"]);
        await context.kill(id, KILL, "");
        equal((await context.finish(id)).status, 137, "the first process's status");
        equal((await context.agent.waitProcess({ container_id: id, exec_id: exec })).status, 137, "the exec's status");
      },
    },
    {
      name: "SignalProcess: TERM ends a container whose first process has no handler for it",
      level: "must",
      source: "behaviour of the reference: such a TERM becomes KILL; pause containers",
      run: async (context) => {
        const id = await context.sleeper();
        await context.kill(id, TERM);
        const { status } = await context.finish(id);
        holds(status > 128, "the status is that of a signal", status);
      },
    },
    {
      name: "SignalProcess: TERM reaches a first process that handles it",
      level: "must",
      source: "kubelet, graceful end of a container",
      run: async (context) => {
        const line = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
        for (const exec_id of ["", undefined]) {
          const id = await context.start(["sh", "-c", line]);
          await context.readUntil("ready\n", id);
          await context.kill(id, TERM, exec_id);
          const { stdout, status } = await context.finish(id);
          equal([stdout, status], ["bye\n", 9], "output and status");
        }
      },
    },
    {
      name: "SignalProcess: TERM does not end a first process that ignores it",
      level: "should",
      source: "behaviour of the reference: ignored signals stay ignored",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]);
        await context.readUntil("ready\n", id);
        await context.kill(id, TERM);
        const wait = context.agent.waitProcess({ container_id: id, exec_id: id });
        await context.stillOpen(wait, "WaitProcess of a process that ignores TERM");
        await context.kill(id, KILL, "");
        equal((await wait).status, 137, "the status");
      },
    },
    {
      name: "SignalProcess: a signal to an exec reaches that exec and no other",
      level: "must",
      source: "Go shim and runtime-rs, kill of an exec",
      run: async (context) => {
        const id = await context.sleeper();
        const script = (name: string) =>
          `trap 'echo ${name}; exit 3' USR1; trap 'echo here' USR2; echo ready; while :; do sleep 0.05; done`;
        const [one, two] = [
          await context.exec(id, ["sh", "-c", script("one")]),
          await context.exec(id, ["sh", "-c", script("two")]),
        ];
        for (const exec of [one, two]) await context.readUntil("ready\n", id, exec);
        await context.kill(id, USR1, one);
        equal((await context.finish(id, one)).status, 3, "the signalled exec's status");
        await context.kill(id, USR2, two);
        equal(await context.readUntil("here\n", id, two), "here\n", "the other exec's output");
      },
    },
    {
      name: "SignalProcess: INT reaches an exec's handler",
      level: "must",
      source: "Go shim and runtime-rs, kill of an exec",
      run: async (context) => {
        const id = await context.sleeper();
        const exec = await context.exec(id, [
          "sh",
          "-c",
          "trap 'exit 4' INT; echo ready; while :; do sleep 0.05; done",
        ]);
        await context.readUntil("ready\n", id, exec);
        await context.kill(id, INT, exec);
        equal((await context.finish(id, exec)).status, 4, "the status");
      },
    },
    {
      name: "SignalProcess: a stopped exec continues where it was",
      level: "should",
      source: "behaviour of signals",
      run: async (context) => {
        const id = await context.sleeper();
        const exec_id = await context.exec(id, ["sh", "-c", "while :; do echo tick; sleep 0.02; done"]);
        const read = () => context.agent.readStdout({ container_id: id, exec_id, len: 65_536 });
        await read();
        await context.kill(id, STOP, exec_id);
        await context.pause(200);
        let held = read();
        if ((await Promise.race([held, context.pause(300)])) !== undefined) held = read();
        await context.stillOpen(held, "ReadStdout of a stopped exec");
        await context.kill(id, CONT, exec_id);
        holds((await held).data.length > 0, "the exec prints again");
      },
    },
    {
      name: "SignalProcess: to a process that was waited for, it fails as hosts expect",
      level: "must",
      source: "runtime-rs: NOT_FOUND or such a text; Go shim: ESRCH: No such process",
      run: async (context) => {
        const id = await context.sleeper();
        const exec = await context.exec(id, ["true"]);
        await context.finish(id, exec);
        const late = context.kill(id, KILL, exec);
        const error = await refused(late);
        holds(error.kind === "not-found" || GONE.test(error.message), "the code is NOT_FOUND or the text says so", {
          code: error.kind,
          text: error.message,
        });
      },
    },
    {
      name: "SignalProcess: KILL of a container after its end succeeds or says that it is gone",
      level: "must",
      source: "runtime-rs, SignalProcess after WaitProcess",
      run: async (context) => {
        const id = await context.start(["true"]);
        await context.finish(id);
        const error = await context.kill(id, KILL, "").catch((reason: unknown) => reason);
        if (!(error instanceof Error)) return;
        if (!(error instanceof RpcError)) throw error;
        holds(error.kind === "not-found" || GONE.test(error.message), "the error says that it is gone", error.message);
      },
    },
    {
      name: "SignalProcess: KILL ends a created container that was not started",
      level: "should",
      source: "containerd, kill of a created task",
      run: async (context) => {
        const id = await context.create(["sleep", "1000"]);
        await context.kill(id, KILL, "");
        holds((await context.finish(id)).status > 128, "the status is that of a signal");
      },
    },
    {
      name: "SignalProcess: 0 checks that the process exists and does nothing to it",
      level: "may",
      source: "kill(2)",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "read x; exit 3"]);
        await context.kill(id, 0);
        await context.write("\n", id);
        equal((await context.finish(id)).status, 3, "the status");
      },
    },
    {
      name: "SignalProcess: refuses 65, which is no signal",
      level: "should",
      source: "signal(7)",
      run: async (context) => {
        const id = await context.sleeper();
        await refused(context.kill(id, 65));
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
          "i=0; while [ $i -lt 50 ]; do sleep 761 & i=$((i+1)); done; exit 2",
        ]);
        equal((await context.finish(id, exec)).status, 2, "the status");
      },
    },
    {
      name: "RemoveContainer: gives an open wait its status",
      level: "should",
      source: "hosts that wait and remove at once",
      run: async (context) => {
        const id = await context.sleeper();
        const wait = context.agent.waitProcess({ container_id: id, exec_id: id });
        await context.health.check({});
        await context.remove(id);
        equal((await wait).status, 137, "the status");
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
  ],
};
