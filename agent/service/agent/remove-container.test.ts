import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Call } from "../dispatch.ts";
import type { Agent } from "../rpc.ts";
import { removeContainer } from "./remove-container.ts";

/** A removal that never ends by itself, asked for with a limit in seconds. */
function hang(timeout: number, signal = new AbortController().signal) {
  const sandbox = {
    find: () => undefined,
    removeContainer: (_id: string, limit: AbortSignal) =>
      new Promise((_resolve, reject) => limit.addEventListener("abort", () => reject(limit.reason))),
  };
  const call: Call = { signal, metadata: new Map(), peer: "unix", onSettled: () => undefined };
  return removeContainer.handle({ sandbox } as unknown as Agent, { container_id: "c1", timeout }, call);
}

test("a removal fails after its time limit, which the message names", async () => {
  await expect(hang(0.02)).rejects.toMatchObject({
    kind: "internal",
    message: "remove container c1: ETIME (not ended within 0.02 s)",
  });
});

test.each([0, 2_147_484, 4_294_967_295])(
  "a removal with a limit of %i s does not time out at once",
  async (timeout) => {
    expect(await Promise.race([hang(timeout), sleep(30, "still waiting")])).toBe("still waiting");
  },
);

test("a cancelled caller is not reported as a time-out", async () => {
  const caller = new AbortController();
  const removing = hang(10, caller.signal);
  caller.abort(new Error("connection is closed"));
  await expect(removing).rejects.toThrow("connection is closed");
});
