import { RpcError } from "../../client/rpc-error.ts";
import type { CaseGroup } from "../case.ts";
import { equal, holds, refused } from "../check.ts";
import { exitCases } from "./exit-cases.ts";

const [INT, KILL, USR1, USR2, TERM, CONT, STOP] = [2, 9, 10, 12, 15, 18, 19];

/** Texts that hosts read as "this process has ended". */
const GONE = /ESRCH: No such process|process not found|no such process|cannot find/i;

export const signals: CaseGroup = {
  name: "signals",
  title: "Signals, ends and exit codes",
  parallel: true,
  needs: ["rootfs"],
  cases: [
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
        await context.readUntil("tick\n", id, exec_id);
        await context.kill(id, STOP, exec_id);
        const { open } = await context.readUntilSilent(id, exec_id);
        await context.kill(id, CONT, exec_id);
        holds((await open).data.length > 0, "the exec prints again");
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
      name: "SignalProcess: to a process that has ended but was not waited for, it succeeds",
      level: "may",
      source: "guestd; kill(2) of a zombie",
      run: async (context) => {
        const id = await context.sleeper();
        const exec = await context.exec(id, ["true"]);
        await context.drain("readStdout", id, exec);
        for (const signal of [TERM, KILL]) await context.kill(id, signal, exec);
        equal((await context.agent.waitProcess({ container_id: id, exec_id: exec })).status, 0, "the status");
      },
    },
    {
      name: "SignalProcess: TERM or KILL ends a created container, which can't be started then",
      level: "should",
      source: "containerd, kill of a created task",
      mayBlockAgent: true,
      run: async (context) => {
        for (const signal of [TERM, KILL]) {
          const id = await context.create(["sleep", "1000"]);
          await context.kill(id, signal, "");
          holds((await context.finish(id)).status > 128, "the status is that of a signal");
          await refused(context.agent.startContainer({ container_id: id }));
        }
      },
    },
    {
      name: "SignalProcess: 0 checks that the process exists and does nothing to it",
      level: "may",
      source: "kill(2)",
      run: async (context) => {
        const id = await context.sleeper();
        const exec = await context.exec(id, ["sh", "-c", "read x; exit 3"]);
        for (const process of ["", id, exec]) await context.kill(id, 0, process);
        await context.write("\n", id, exec);
        equal((await context.finish(id, exec)).status, 3, "the status");
        for (const process of [exec, "conf-no-such"])
          await refused(context.kill(id, 0, process), { codes: ["not-found"] });
        await context.kill(id, 0, "");
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
    ...exitCases,
  ],
};
