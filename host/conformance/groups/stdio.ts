import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, holds, refused } from "../check.ts";
import { pipeGrandchildCases } from "./grandchild-cases.ts";
import { stdinCases } from "./stdin-cases.ts";

const KIB = 1024;
/** Time in which the agent has ended a call too that has reached its time limit here. */
const AGENT_TOO_MS = 1000;

/** Reads stdout to its end with answers of at most `len` bytes. */
async function readBytes(context: CaseContext, id: string, exec: string, len: number): Promise<Buffer> {
  return context.drain("readStdout", id, exec, len);
}

/** Returns the numbers from 1 to `count`, one on each line. */
function numbers(count: number): string {
  return Array.from({ length: count }, (_, at) => `${at + 1}\n`).join("");
}

export const stdio: CaseGroup = {
  name: "stdio",
  title: "Standard input and output",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "ReadStdout: every byte of 1 MiB arrives once and in order",
      level: "must",
      source: "kata-containers issues 1713, 9071, 9186: lost output",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "seq 1 160000 | head -c 1048576"]);
        const bytes = await readBytes(context, id, id, 32 * KIB);
        holds(
          bytes.equals(Buffer.from(numbers(160_000)).subarray(0, 1 << 20)),
          "stdout is what was printed",
          bytes.length,
        );
      },
    },
    {
      name: "ReadStdout: an answer is never longer than requested, even if that is one byte",
      level: "must",
      source: "runtime-rs copies the answer into a buffer of that size and panics",
      run: async (context) => {
        const id = await context.start(["printf", "0123456789"]);
        const pieces: number[] = [];
        for (const len of [1, 3, 2, 100]) {
          const { data } = await context.agent.readStdout({ container_id: id, exec_id: id, len });
          holds(data.length <= len, `the answer has at most ${len} bytes`, data.length);
          pieces.push(data.length);
        }
        equal(pieces.slice(0, 3), [1, 3, 2], "the lengths of the first answers");
      },
    },
    {
      name: "ReadStdout: reads of 8 KiB return all of 300 kB",
      level: "must",
      source: "runtime-rs, its buffer",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "seq 1 50000"]);
        const bytes = await readBytes(context, id, "", 8 * KIB);
        equal(bytes.toString() === numbers(50_000), true, "stdout is what was printed");
      },
    },
    {
      name: "ReadStdout: what was written just before the end can be read after it",
      level: "must",
      source: "kata-containers issues 9071 and 9186",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "printf 0123456789; printf error >&2; exit 3"]);
        await context.pause(200);
        const { stdout, stderr, status } = await context.finish(id);
        equal([stdout, stderr, status], ["0123456789", "error", 3], "output and status");
      },
    },
    {
      name: "ReadStdout: output can still be read after the exit status was returned",
      level: "may",
      source: "guestd; the reference drops a process that was waited for",
      run: async (context) => {
        const script = ["sh", "-c", "printf 0123456789; printf error >&2; exit 3"];
        const [first, sleeper] = [await context.start(script), await context.sleeper()];
        for (const [container_id, exec_id] of [
          [first, ""],
          [sleeper, await context.exec(sleeper, script)],
        ] as const) {
          const ids = { container_id, exec_id };
          equal((await context.agent.waitProcess(ids)).status, 3, "the status");
          equal((await context.drain("readStdout", container_id, exec_id, 4)).toString(), "0123456789", "stdout");
          equal((await context.drain("readStderr", container_id, exec_id)).toString(), "error", "stderr");
          await refused(context.agent.readStdout({ ...ids, len: 4 }), { codes: ["not-found"] });
          equal((await context.agent.waitProcess(ids)).status, 3, "the status after the end of the output");
        }
      },
    },
    {
      name: "ReadStdout: an empty answer is the end",
      level: "must",
      source: "Go shim and runtime-rs, read loops",
      run: async (context) => {
        const id = await context.start(["true"]);
        const { data } = await context.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
        equal(data.length, 0, "the length of the answer");
      },
    },
    {
      name: "ReadStdout: waits while the process prints nothing",
      level: "must",
      source: "Go shim and runtime-rs, read loops",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "read x; echo $x"]);
        const read = context.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
        await context.stillOpen(read, "ReadStdout");
        await context.write("typed\n", id);
        equal(Buffer.from((await read).data).toString(), "typed\n", "stdout");
      },
    },
    {
      name: "ReadStderr: is separate from stdout",
      level: "must",
      source: "Go shim and runtime-rs, stderr of a container",
      run: async (context) => {
        const { stdout, stderr } = await context.run(["sh", "-c", "echo a; echo b >&2; echo c; echo d >&2"]);
        equal([stdout, stderr], ["a\nc\n", "b\nd\n"], "stdout and stderr");
      },
    },
    {
      name: "ReadStdout: the process can open and write to /dev/stdout and /dev/stderr",
      level: "must",
      source: "images such as nginx log through these links",
      run: async (context) => {
        const { stdout, stderr } = await context.run(["sh", "-c", "echo a > /dev/stdout; echo b > /dev/stderr"]);
        equal([stdout, stderr], ["a\n", "b\n"], "stdout and stderr");
      },
    },
    ...pipeGrandchildCases,
    {
      name: "ReadStdout: ends as soon as the process closes its outputs",
      level: "should",
      source: "behaviour of pipes",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "echo last; exec >&- 2>&-; read x; exit 8"]);
        equal((await context.drain("readStdout", id)).toString(), "last\n", "stdout");
        equal((await context.drain("readStderr", id)).toString(), "", "stderr");
        await context.write("\n", id);
        equal((await context.agent.waitProcess({ container_id: id, exec_id: id })).status, 8, "the status");
      },
    },
    {
      name: "ReadStdout: a process whose output is not read blocks and loses none of it",
      level: "should",
      source: "behaviour of pipes",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "head -c 1000000 /dev/zero; echo written >&2; read x; exit 4"]);
        const written = context.agent.readStderr({ container_id: id, exec_id: id, len: 100 });
        await context.stillOpen(written, "ReadStderr while stdout is unread");
        let length = 0;
        while (length < 1_000_000) {
          length += (await context.agent.readStdout({ container_id: id, exec_id: id, len: 32 * KIB })).data.length;
        }
        equal(Buffer.from((await written).data).toString(), "written\n", "stderr once stdout is read");
        await context.write("\n", id);
        equal([length, (await context.finish(id)).status], [1_000_000, 4], "the bytes read and the status");
      },
    },
    {
      name: "ReadStdout: a read that was cut off by its time limit loses no output",
      level: "should",
      source: "microsoft/kata-containers PR 541: long polls are repeated",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "read x; echo late; exit 0"]);
        const read = context.agent.readStdout({ container_id: id, exec_id: id, len: 100 }, { timeoutMs: 200 });
        await refused(read, { codes: ["deadline-exceeded"] });
        await context.pause(AGENT_TOO_MS);
        await context.write("\n", id);
        equal((await context.finish(id)).stdout, "late\n", "stdout");
      },
    },
    {
      name: "ReadStdout: a hundred short processes lose no output",
      level: "must",
      source: "kata-containers issue 9071: output missing once in five runs",
      timeLimit: 60,
      run: async (context) => {
        const id = await context.sleeper();
        for (let round = 0; round < 10; round++) {
          const outputs = await Promise.all(
            Array.from({ length: 10 }, (_, at) => context.execute(id, `echo ${round}-${at}`)),
          );
          equal(
            outputs.map(({ stdout }) => stdout),
            outputs.map((_, at) => `${round}-${at}\n`),
            "the outputs",
          );
        }
      },
    },
    ...stdinCases,
  ],
};
