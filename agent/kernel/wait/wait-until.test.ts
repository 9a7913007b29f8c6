import { expect, test } from "vitest";
import { waitUntil } from "./wait-until.ts";

const never = new AbortController().signal;

test("gives what the promise gives", async () => {
  expect(await waitUntil(Promise.resolve(1), never)).toBe(1);
  await expect(waitUntil(Promise.reject(new Error("no")), never)).rejects.toThrow("no");
});

test("ends with the signal's reason, at once if it has aborted already", async () => {
  const patience = new AbortController();
  const waiting = waitUntil(new Promise(() => {}), patience.signal);
  patience.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(waitUntil(new Promise(() => {}), patience.signal)).rejects.toThrow("enough");
});

test("a failure that comes after the signal is nobody's", async () => {
  const work = Promise.withResolvers<void>();
  await expect(waitUntil(work.promise, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  work.reject(new Error("later"));
  await new Promise(setImmediate);
});
