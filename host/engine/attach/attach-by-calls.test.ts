import { PassThrough, Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { RpcError } from "../../client/rpc-error.ts";
import { answers, scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { attach } from "./attach-by-calls.ts";

const ID = { container_id: "c1", exec_id: "c1" };
const data = (content: string) => ({ data: Buffer.from(content) });
const quiet = {
  readStdout: answers(data("")),
  readStderr: answers(data("")),
  closeStdin: async () => ({}),
  waitProcess: async () => ({ status: 0 }),
};

/** Attaches to streams and returns their content. */
async function attached(calls: Parameters<typeof scriptedAgent>[0], stdin?: Readable) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await attach(scriptedAgent({ ...quiet, ...calls }), ID, { stdin, stdout, stderr });
  stdout.end();
  stderr.end();
  return { code, stdout: await text(stdout), stderr: await text(stderr) };
}

describe("output of a process", () => {
  test("is read to the end of both streams before the exit code is requested", async () => {
    const order: string[] = [];
    const result = await attached({
      readStdout: answers(data("one\n"), data("two\n"), data("")),
      readStderr: answers(data("oops\n"), data("")),
      waitProcess: async () => {
        order.push("wait");
        return { status: 42 };
      },
    });
    expect(result).toEqual({ code: 42, stdout: "one\ntwo\n", stderr: "oops\n" });
    expect(order).toEqual(["wait"]);
  });

  test("is a single stream on a terminal", async () => {
    const { readStderr: _, ...calls } = quiet;
    const stdout = new PassThrough();
    const agent = scriptedAgent({ ...calls, readStdout: answers(data("$ "), data("")) });
    expect(await attach(agent, ID, { stdout })).toBe(0);
    stdout.end();
    expect(await text(stdout)).toBe("$ ");
  });

  test("is not read faster than it can be written", async () => {
    let reads = 0;
    const waiting: (() => void)[] = [];
    const slow = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void waiting.push(done) });
    const agent = scriptedAgent({ ...quiet, readStdout: async () => (++reads > 3 ? data("") : data("xx")) });
    const running = attach(agent, ID, { stdout: slow, stderr: new PassThrough() });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(reads).toBe(1);
    while (reads <= 3) {
      waiting.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await running).toBe(0);
  });

  test("that can't be written rejects with the stream's error", async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error("EPIPE"), { code: "EPIPE" })),
    });
    broken.on("error", () => undefined);
    const agent = scriptedAgent({ ...quiet, readStdout: async () => data("y\n") });
    await expect(attach(agent, ID, { stdout: broken, stderr: new PassThrough() })).rejects.toThrow("EPIPE");
  });

  test("that is lost with the connection rejects with the connection's error", async () => {
    const lost = new RpcError("unavailable", "ttrpc: closed by the agent");
    const readStdout = async () => {
      throw lost;
    };
    await expect(attached({ readStdout }, new PassThrough())).rejects.toBe(lost);
  });
});

describe("input of a process", () => {
  /** Records what is written; output ends once input is closed. */
  function recorder() {
    const written: Buffer[] = [];
    const closed = Promise.withResolvers<void>();
    const calls = {
      writeStdin: async (request: Record<string, unknown>) => void written.push(request["data"] as Buffer),
      closeStdin: async () => closed.resolve(),
      readStdout: async () => {
        await closed.promise;
        return data("");
      },
    };
    return { written, calls };
  }

  test("is sent in chunks of the size hosts use, then closed", async () => {
    const { written, calls } = recorder();
    await attached(calls, Readable.from([Buffer.alloc(100_000, 1), Buffer.from("end")]));
    expect(written.map((piece) => piece.length)).toEqual([32_768, 32_768, 32_768, 1696, 3]);
    expect(Buffer.concat(written).toString("latin1", 100_000)).toBe("end");
  });

  test("is closed immediately if there is none", async () => {
    const { written, calls } = recorder();
    await attached(calls);
    expect(written).toEqual([]);
  });

  test("that never ends does not delay the exit code, and stays open", async () => {
    const stdin = new PassThrough();
    expect((await attached({ writeStdin: async () => ({}) }, stdin)).code).toBe(0);
    expect(stdin.destroyed).toBe(false);
  });

  test("that the process no longer accepts is ignored", async () => {
    const writeStdin = async () => {
      throw new RpcError("internal", "write to stdin: it is closed");
    };
    expect((await attached({ writeStdin }, Readable.from([Buffer.from("x")]))).code).toBe(0);
  });
});
