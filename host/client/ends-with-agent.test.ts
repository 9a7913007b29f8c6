import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { endsWithAgent } from "./ends-with-agent.ts";
import { bounded, type RpcChannel } from "./rpc-channel.ts";
import { RpcError } from "./rpc-error.ts";

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

test("a call with a time limit causes no checks and ends at its limit", async () => {
  const inner = channelOf("answers");
  const call = endsWithAgent(inner, TIMES).call("a.B", "C", NO_BYTES, { timeoutMs: 50 });
  await expect(call).rejects.toMatchObject({ kind: "deadline-exceeded" });
  expect(inner.checks).toBe(0);
});
