import { expect, test } from "vitest";
import { waitUntil } from "./wait-until.ts";

const never = new AbortController().signal;

test("waitUntil settles like its promise", async () => {
  expect(await waitUntil(Promise.resolve(1), never)).toBe(1);
  await expect(waitUntil(Promise.reject(new Error("no")), never)).rejects.toThrow("no");
});

test("waitUntil rejects with the signal's reason, at once if it has already aborted", async () => {
  const patience = new AbortController();
  const waiting = waitUntil(new Promise(() => {}), patience.signal);
  patience.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(waitUntil(new Promise(() => {}), patience.signal)).rejects.toThrow("enough");
});

test("waitUntil ignores a rejection after the signal", async () => {
  const work = Promise.withResolvers<void>();
  await expect(waitUntil(work.promise, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  work.reject(new Error("later"));
  await new Promise(setImmediate);
});
