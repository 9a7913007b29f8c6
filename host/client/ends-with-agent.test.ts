import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE } from "../../proto/ttrpc-frame.ts";
import { dial } from "./dial.ts";
import { endsWithAgent } from "./ends-with-agent.ts";
import { bounded, type RpcChannel } from "./rpc-channel.ts";
import { RpcError } from "./rpc-error.ts";
import { TtrpcClient } from "./ttrpc-client.ts";

const NO_BYTES = new Uint8Array();
const TIMES = { everyMs: 5, limitMs: 20 };

/** Returns a channel that only answers health checks, in the given way. */
function channelOf(check: "answers" | "refuses" | "is silent"): RpcChannel & { checks: number } {
  const channel = {
    checks: 0,
    closed: new Promise<void>(() => {}),
    close: async () => {},
    async [Symbol.asyncDispose]() {},
    call: (service: string, method: string, _payload: Uint8Array, options = {}) =>
      bounded<Uint8Array>(`/${service}/${method}`, options, (resolve, reject) => {
        if (method === "Check") channel.checks++;
        if (method === "Check" && check === "answers") resolve(NO_BYTES);
        if (method === "Check" && check === "refuses") reject(new RpcError("permission-denied", "no"));
        return { stop: () => {} };
      }),
  };
  return channel;
}

test("a call without a time limit fails if the agent does not answer a health check", async () => {
  const channel = endsWithAgent(channelOf("is silent"), TIMES);
  const calls = [channel.call("a.B", "C", NO_BYTES), channel.call("a.B", "D", NO_BYTES)];
  const line = "no answer to a health check within 0.02 s; look at the guest's console";
  const failed = (method: string) => ({
    status: "rejected",
    reason: { kind: "unavailable", message: `${method}: ${line}` },
  });
  expect(await Promise.allSettled(calls)).toMatchObject([failed("/a.B/C"), failed("/a.B/D")]);
  await expect(channel.call("a.B", "E", NO_BYTES), "a later one").rejects.toThrow(`/a.B/E: ${line}`);
});

test.each(["answers", "refuses"] as const)("a call without a time limit stays open while the agent %s", async (how) => {
  const inner = channelOf(how);
  const call = endsWithAgent(inner, TIMES).call("a.B", "C", NO_BYTES);
  while (inner.checks < 5) expect(await Promise.race([call, sleep(5, "open")])).toBe("open");
});

test("other answers make a health check unnecessary, but calls that end at their limit don't", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  try {
    const inner = channelOf("answers");
    const channel = endsWithAgent(inner, TIMES);
    void channel.call("a.B", "C", NO_BYTES);
    for (let others = 1; others <= 5; others++) {
      await channel.call("grpc.Health", "Check", NO_BYTES);
      await vi.advanceTimersByTimeAsync(TIMES.everyMs);
      expect(inner.checks).toBe(others);
    }
    const late = channel.call("a.B", "D", NO_BYTES, { timeoutMs: 1 });
    await Promise.all([expect(late).rejects.toThrow("within 1 ms"), vi.advanceTimersByTimeAsync(TIMES.everyMs)]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(inner.checks).toBe(6);
  } finally {
    vi.useRealTimers();
  }
});

/** Answers the first request on a socket with bytes in hexadecimal, closes it, then creates a file. */
const ANSWERING = `
  const [path, answer, closed] = process.argv.slice(1);
  const server = require("node:net").createServer((socket) =>
    socket.once("data", () => socket.end(Buffer.from(answer, "hex"), () => {
      socket.destroy();
      server.close();
      require("node:fs").writeFileSync(closed, "");
    })));
  server.listen(path, () => console.log("listening"));`;

test("an answer that has arrived is read before a health check is sent on the closed connection", async () => {
  const directory = mkdtempSync(join(tmpdir(), "guestd-"));
  const [path, closed] = [join(directory, "socket"), join(directory, "closed")];
  const body = ttrpc.Response.encode({ payload: Buffer.from("done") }).finish();
  const answer = Buffer.concat([encodeHeader(body.length, { streamId: 1, type: FRAME_RESPONSE, flags: 0 }), body]);
  const agent = spawn(process.execPath, ["-e", ANSWERING, path, answer.toString("hex"), closed]);
  try {
    await once(agent.stdout, "data");
    const channel = endsWithAgent(new TtrpcClient(await dial(`unix://${path}`)), { everyMs: 1, limitMs: 1000 });
    const call = channel.call("a.B", "C", NO_BYTES);
    await new Promise((resolve) => process.nextTick(resolve)); // the request is sent
    const limit = performance.now() + 20_000;
    while (!existsSync(closed) && performance.now() < limit)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    expect(Buffer.from(await call).toString()).toBe("done");
  } finally {
    agent.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  }
});

test("a call with a time limit causes no checks and ends at its limit", async () => {
  const inner = channelOf("answers");
  const call = endsWithAgent(inner, TIMES).call("a.B", "C", NO_BYTES, { timeoutMs: 50 });
  await expect(call).rejects.toMatchObject({ kind: "deadline-exceeded" });
  expect(inner.checks).toBe(0);
});
