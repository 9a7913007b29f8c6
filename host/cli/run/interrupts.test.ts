import { constants } from "node:os";
import { expect, test } from "vitest";
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

test("disposal removes all signal listeners", () => {
  const before = process.listenerCount("SIGINT");
  new Interrupts()[Symbol.dispose]();
  expect(process.listenerCount("SIGINT")).toBe(before);
});
