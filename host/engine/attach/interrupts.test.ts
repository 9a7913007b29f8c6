import { constants } from "node:os";
import { expect, onTestFinished, test, vi } from "vitest";
import { Interrupted, Interrupts } from "./interrupts.ts";

test("a signal aborts the work in progress with the exit code that shells expect", async () => {
  using interrupts = new Interrupts();
  const work = new Promise<never>((_, reject) => {
    interrupts.signal.addEventListener("abort", () => reject(new Error("error of the work")));
  });
  process.emit("SIGTERM");
  const error = await interrupts.during(work).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Interrupted);
  expect((error as Interrupted).exitCode).toBe(143);
});

test("an error without a signal is passed on unchanged", async () => {
  using interrupts = new Interrupts();
  await expect(interrupts.during(Promise.reject(new Error("other")))).rejects.toThrow("other");
});

test("passes signals to the handler with their count, including an earlier one", () => {
  using interrupts = new Interrupts();
  const seen: number[][] = [];
  process.emit("SIGINT");
  interrupts.handle((signal, times) => seen.push([signal, times]));
  process.emit("SIGTERM");
  expect(seen).toEqual([
    [constants.signals.SIGINT, 1],
    [constants.signals.SIGTERM, 2],
  ]);
});

test("a minute after a SIGTERM the handler gives up, but not after a ^C or once disposed", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const afterMinute = (signal: "SIGINT" | "SIGTERM" | "SIGHUP", isDisposed = false) => {
    using interrupts = new Interrupts();
    const seen: number[] = [];
    process.emit(signal);
    interrupts.handle((_, times) => seen.push(times));
    vi.advanceTimersByTime(59_000);
    if (isDisposed) interrupts[Symbol.dispose]();
    vi.advanceTimersByTime(1000);
    return seen;
  };
  expect(afterMinute("SIGTERM")).toEqual([1, Number.POSITIVE_INFINITY]);
  expect(afterMinute("SIGHUP")).toEqual([1, Number.POSITIVE_INFINITY]);
  expect(afterMinute("SIGTERM", true)).toEqual([1]);
  expect(afterMinute("SIGINT")).toEqual([1]);
});

test("disposal removes all signal listeners", () => {
  const before = process.listenerCount("SIGINT");
  new Interrupts()[Symbol.dispose]();
  expect(process.listenerCount("SIGINT")).toBe(before);
});
