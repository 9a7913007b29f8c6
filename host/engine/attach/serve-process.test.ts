import { afterEach, expect, test, vi } from "vitest";
import { listenersUntilEnd } from "../../../lib/testing/listeners-until-end.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { Interrupts } from "./interrupts.ts";
import { serveProcess } from "./serve-process.ts";

afterEach(() => vi.useRealTimers());

/** Serves a process that never ends on an agent that records signals; `end` breaks the connection. */
function serveEndless(interrupts: Interrupts) {
  const signals: unknown[] = [];
  const closed = Promise.withResolvers<never>();
  const never = () => closed.promise;
  const calls = { readStdout: never, readStderr: never, waitProcess: never, closeStdin: never };
  const agent = scriptedAgent({
    ...calls,
    async signalProcess({ signal }) {
      signals.push(signal);
      return {};
    },
  });
  const close = async () => closed.reject(new RpcError("unavailable", "ttrpc: closed"));
  const served = serveProcess(
    { ...agent, close },
    { container_id: "c", exec_id: "c" },
    { stdin: "end", tty: false },
    interrupts,
  );
  return { signals, served, end: close };
}

test("passes signals to the process, the second as SIGKILL, and leaves an agent that doesn't answer at the fourth", async () => {
  listenersUntilEnd("SIGINT", "SIGTERM", "SIGHUP"); // that of a user who gives up lasts
  using interrupts = new Interrupts();
  const { signals, served } = serveEndless(interrupts);
  for (let times = 1; times <= 3; times++) process.emit("SIGINT");
  expect(await Promise.race([served, new Promise((resolve) => setImmediate(resolve, "still served"))])).toBe(
    "still served",
  );
  process.emit("SIGINT");
  await expect(served).rejects.toThrow("ttrpc: closed");
  expect(signals).toEqual([2, 9, 9, 9]);
});

test("kills a process that ignores SIGTERM after ten seconds", async () => {
  vi.useFakeTimers();
  using interrupts = new Interrupts();
  const { signals, served, end } = serveEndless(interrupts);
  process.emit("SIGTERM");
  vi.advanceTimersByTime(9_999);
  expect(signals).toEqual([15]);
  vi.advanceTimersByTime(1);
  expect(signals).toEqual([15, 9]);
  await end();
  await expect(served).rejects.toThrow();
});

test("prints a hint once after a ^C without effect", async () => {
  vi.useFakeTimers();
  using interrupts = new Interrupts();
  const write = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    const { signals, served, end } = serveEndless(interrupts);
    process.emit("SIGINT");
    expect(write).not.toHaveBeenCalled();
    vi.advanceTimersByTime(60_000);
    expect(write.mock.calls).toEqual([["guestctl: container c still runs after ^C; press it again to kill it\n"]]);
    expect(signals).toEqual([2]);
    await end();
    await expect(served).rejects.toThrow();
  } finally {
    write.mockRestore();
  }
});
