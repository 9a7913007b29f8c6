import { randomBytesOf } from "../../../lib/seeded-random.ts";
import type { ConformanceCase } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";

/** Size of a write, as the Go shim makes it. */
const PIECE_BYTES = 32_768;

/** Cases of standard input. */
export const stdinCases: readonly ConformanceCase[] = [
  {
    name: "WriteStdin: every byte of 500 kB arrives",
    level: "must",
    source: "Go shim and runtime-rs, kubectl exec -i",
    run: async (context) => {
      const id = await context.start(["cat"]);
      const input = randomBytesOf(context.random, 500_000);
      const read = context.drain("readStdout", id);
      for (let at = 0; at < input.length; at += PIECE_BYTES) {
        const data = input.subarray(at, at + PIECE_BYTES);
        const { len } = await context.agent.writeStdin({ container_id: id, exec_id: id, data });
        equal(len, data.length, "the number of bytes accepted");
      }
      await context.agent.closeStdin({ container_id: id, exec_id: id });
      holds((await read).equals(input), "cat returns what was written");
    },
  },
  {
    name: "CloseStdin: the process reads the end of its input",
    level: "must",
    source: "Go shim, CloseIO",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "cat; echo done"]);
      await context.write("line\n", id);
      await context.agent.closeStdin({ container_id: id, exec_id: id });
      equal((await context.finish(id)).stdout, "line\ndone\n", "stdout");
    },
  },
  {
    name: "WriteStdin: without data, it is the end of the input",
    level: "must",
    source: "runtime-rs never calls CloseStdin",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "cat; echo done"]);
      await context.write("line\n", id, "");
      await context.agent.writeStdin({ container_id: id, exec_id: "" });
      equal((await context.finish(id, "")).stdout, "line\ndone\n", "stdout");
    },
  },
  {
    name: "CloseStdin: of an exec ends only the exec's input",
    level: "must",
    source: "Go shim, kubectl exec -i",
    run: async (context) => {
      const id = await context.start(["cat"]);
      const exec = await context.exec(id, ["cat"]);
      await context.agent.closeStdin({ container_id: id, exec_id: exec });
      equal((await context.finish(id, exec)).status, 0, "the exec's status");
      await context.write("still here\n", id);
      await context.readUntil("still here\n", id);
    },
  },
  {
    name: "WriteStdin: fails once the process no longer reads",
    level: "should",
    source: "behaviour of pipes",
    run: async (context) => {
      const id = await context.start(["sh", "-c", "exec <&-; echo closed; sleep 1000"]);
      await context.readUntil("closed\n", id);
      await refused(context.agent.writeStdin({ container_id: id, exec_id: id, data: Buffer.from("x") }));
    },
  },
  {
    name: "WriteStdin: a process's standard input is a pipe or /dev/null, never a socket",
    level: "should",
    source: "kata-containers issue 11747",
    run: async (context) => {
      const text = await context.print("test -p /proc/self/fd/0 && echo pipe || readlink /proc/self/fd/0");
      matches(text, /^(pipe|\/dev\/null)\n$/, "stdin");
    },
  },
];
