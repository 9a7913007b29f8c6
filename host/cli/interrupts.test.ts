import { constants } from "node:os";
import { expect, test } from "vitest";
import { Interrupted, Interrupts } from "./interrupts.ts";

test("a signal aborts what is under way, with the exit code that shells expect", async () => {
  using interrupts = new Interrupts();
  const work = new Promise<never>((_, reject) => {
    interrupts.signal.addEventListener("abort", () => reject(new Error("words of the work")));
  });
  process.emit("SIGTERM");
  const error = await interrupts.during(work).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Interrupted);
  expect((error as Interrupted).exitCode).toBe(143);
});

test("an error without a signal stays what it is", async () => {
  using interrupts = new Interrupts();
  await expect(interrupts.during(Promise.reject(new Error("other")))).rejects.toThrow("other");
});

test("signals go to whoever takes them, counted, with the one that came before", () => {
  using interrupts = new Interrupts();
  const seen: number[][] = [];
  process.emit("SIGINT");
  interrupts.take((signal, times) => seen.push([signal, times]));
  process.emit("SIGTERM");
  expect(seen).toEqual([
    [constants.signals.SIGINT, 1],
    [constants.signals.SIGTERM, 2],
  ]);
});

test("nothing of it is left afterwards", () => {
  const before = process.listenerCount("SIGINT");
  new Interrupts()[Symbol.dispose]();
  expect(process.listenerCount("SIGINT")).toBe(before);
});
