import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Call } from "../dispatch.ts";
import type { Agent } from "../rpc.ts";
import { removeContainer } from "./remove-container.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const caller = new AbortController();
const call: Call = { signal: caller.signal, metadata: new Map(), peer: "unix", onSettled: () => undefined };

/** A removal that never ends by itself, asked for with a limit in seconds; what became of it. */
function hang(timeout: number) {
  const sandbox = {
    removeContainer: (_id: string, signal: AbortSignal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  };
  const result = { error: undefined as { kind?: string; message: string } | undefined };
  removeContainer({ sandbox } as unknown as Agent, { container_id: "c1", timeout }, call).catch((error) => {
    result.error = error;
  });
  return result;
}

test("gives up after its time limit, and says how to go on", async () => {
  const result = hang(10);
  await vi.advanceTimersByTimeAsync(9_990);
  expect(result.error).toBeUndefined();
  await vi.advanceTimersByTimeAsync(20);
  expect(result.error).toMatchObject({
    kind: "deadline-exceeded",
    message: 'remove container "c1": its processes did not end within 10 s (ETIME); ask again',
  });
});

test.each([0, 2_147_484, 4_294_967_295])("with a limit of %i s it waits for a day at least", async (timeout) => {
  const result = hang(timeout);
  await vi.advanceTimersByTimeAsync(24 * 3600 * 1000);
  expect(result.error).toBeUndefined();
});
