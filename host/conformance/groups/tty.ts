import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { CaseGroup } from "../case.ts";
import { equal, matches, refused } from "../check.ts";
import { ociSpec } from "../oci-spec.ts";
import { terminalGrandchildCases } from "./grandchild-cases.ts";

/** Returns the parts of a container that runs a script on a terminal. */
function onTerminal(script: string, process: Init<grpc.Process> = {}): Init<grpc.Spec> {
  const { Process } = ociSpec("", ["sh", "-c", script]);
  return { Process: { ...Process, Terminal: true, ...process } };
}

export const tty: CaseGroup = {
  name: "tty",
  title: "Terminals",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "CreateContainer: with a terminal, all three descriptors are that terminal",
      level: "must",
      source: "OCI runtime spec, process.terminal",
      run: async (context) => {
        const id = await context.start([], onTerminal("for n in 0 1 2; do test -t $n && echo $n; done"));
        equal(await context.drainTerminal(id), "0\r\n1\r\n2\r\n", "stdout");
      },
    },
    {
      name: "CreateContainer: with a terminal, stderr is part of stdout",
      level: "must",
      source: "Go shim and runtime-rs read no stderr of a terminal",
      run: async (context) => {
        const id = await context.start([], onTerminal("echo out; echo err >&2"));
        equal(await context.drainTerminal(id), "out\r\nerr\r\n", "stdout");
      },
    },
    {
      name: "ExecProcess: an exec can have a terminal of its own",
      level: "must",
      source: "Go shim and runtime-rs, kubectl exec -it",
      run: async (context) => {
        const id = await context.sleeper();
        const line = "for n in 0 1 2; do test -t $n && echo $n; done; exit 5";
        const exec = await context.exec(id, ["sh", "-c", line], { Terminal: true });
        equal(await context.drainTerminal(id, exec), "0\r\n1\r\n2\r\n", "the descriptors that are a terminal");
        equal((await context.agent.waitProcess({ container_id: id, exec_id: exec })).status, 5, "the status");
      },
    },
    {
      name: "ExecProcess: an exec's terminal has a name in the container, which tty prints",
      level: "should",
      source: "ttyname(3); the reference opens terminals outside of the container",
      run: async (context) => {
        const id = await context.sleeper();
        const exec = await context.exec(id, ["tty"], { Terminal: true });
        matches(await context.drainTerminal(id, exec), /^\/dev\/pts\/\d+\r\n$/, "the output of tty");
      },
    },
    {
      name: "TtyWinResize: sets the size before and while the process runs",
      level: "must",
      source: "Go shim and runtime-rs, kubectl exec -it",
      run: async (context) => {
        const id = await context.sleeper();
        const line = "stty -echo; echo ready; read x; stty size; read x; stty size";
        const exec_id = await context.exec(id, ["sh", "-c", line], { Terminal: true });
        const ids = { container_id: id, exec_id };
        await context.readUntil("ready\r\n", id, exec_id);
        await context.agent.ttyWinResize({ ...ids, row: 30, column: 100 });
        await context.write("\n", id, exec_id);
        await context.readUntil("30 100\r\n", id, exec_id);
        await context.agent.ttyWinResize({ ...ids, row: 50, column: 132 });
        await context.write("\n", id, exec_id);
        await context.readUntil("50 132\r\n", id, exec_id);
        equal((await context.agent.waitProcess(ids)).status, 0, "the status");
      },
    },
    {
      name: "TtyWinResize: the process receives SIGWINCH",
      level: "should",
      source: "behaviour of terminals",
      run: async (context) => {
        const line = "trap 'stty size; exit 6' WINCH; echo ready; while :; do sleep 0.05; done";
        const id = await context.start([], onTerminal(line));
        await context.readUntil("ready\r\n", id);
        await context.agent.ttyWinResize({ container_id: id, exec_id: id, row: 41, column: 81 });
        await context.readUntil("41 81\r\n", id);
        equal((await context.agent.waitProcess({ container_id: id, exec_id: id })).status, 6, "the status");
      },
    },
    {
      name: "TtyWinResize: works with an empty exec id",
      level: "must",
      source: "runtime-rs, the first process",
      run: async (context) => {
        const id = await context.start([], onTerminal("stty -echo; echo ready; read x; stty size"));
        await context.readUntil("ready\r\n", id);
        await context.agent.ttyWinResize({ container_id: id, exec_id: "", row: 24, column: 80 });
        await context.write("\n", id);
        await context.readUntil("24 80\r\n", id);
      },
    },
    {
      name: "TtyWinResize: is refused for a process without a terminal",
      level: "should",
      source: "behaviour of the reference: UNAVAILABLE",
      run: async (context) => {
        const id = await context.sleeper();
        const resize = context.agent.ttyWinResize({ container_id: id, exec_id: id, row: 1, column: 1 });
        await refused(resize, { codes: ["unavailable"] });
      },
    },
    {
      name: "WriteStdin: ^C interrupts the foreground process",
      level: "must",
      source: "kubectl exec -it",
      run: async (context) => {
        const id = await context.start(
          [],
          onTerminal("trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done"),
        );
        await context.readUntil("ready\r\n", id);
        await context.write("\u0003", id);
        await context.readUntil("caught\r\n", id);
        equal((await context.agent.waitProcess({ container_id: id, exec_id: id })).status, 7, "the status");
      },
    },
    {
      name: "WriteStdin: typed text is echoed and arrives as a line",
      level: "must",
      source: "behaviour of terminals",
      run: async (context) => {
        const id = await context.start([], onTerminal("read x; echo got $x"));
        await context.write("typed\n", id);
        matches(await context.drainTerminal(id), /^typed\r\ngot typed\r\n$/, "stdout");
      },
    },
    {
      name: "ReadStdout: a raw terminal passes 100 kB unchanged",
      level: "should",
      source: "kubectl exec -it with full-screen programs",
      run: async (context) => {
        const id = await context.start([], onTerminal("stty raw -echo || exit 1; seq 1 20000"));
        const stdout = await context.drainTerminal(id);
        equal(stdout === Array.from({ length: 20_000 }, (_, at) => `${at + 1}\n`).join(""), true, "every byte arrives");
      },
    },
    ...terminalGrandchildCases,
    {
      name: "ReadStdout: the end of a terminal is an empty answer",
      level: "may",
      source: "guestd; the reference answers INTERNAL (EIO)",
      run: async (context) => {
        const id = await context.start([], onTerminal("test -t 1 && echo out"));
        equal((await context.drain("readStdout", id)).toString(), "out\r\n", "stdout");
      },
    },
    {
      name: "CloseStdin: a terminal's process reads the end of its input",
      level: "may",
      source: "guestd; the reference closes the terminal",
      run: async (context) => {
        const id = await context.start([], onTerminal("stty -echo; echo ready; cat; echo ended"));
        await context.readUntil("ready\r\n", id);
        await context.agent.closeStdin({ container_id: id, exec_id: id });
        await context.readUntil("ended\r\n", id);
      },
    },
    {
      name: "CreateContainer: process.consoleSize is the terminal's first size",
      level: "may",
      source: "OCI runtime spec, process.consoleSize; the reference ignores it",
      run: async (context) => {
        const id = await context.start([], onTerminal("stty size", { ConsoleSize: { Height: 33, Width: 77 } }));
        equal(await context.drainTerminal(id), "33 77\r\n", "stdout");
      },
    },
    {
      name: "CreateContainer: a container with a terminal has /dev/console",
      level: "should",
      source: "OCI runtime spec, default devices",
      run: async (context) => {
        const id = await context.start([], onTerminal("test -c /dev/console && echo console"));
        equal(await context.drainTerminal(id), "console\r\n", "stdout");
      },
    },
  ],
};
