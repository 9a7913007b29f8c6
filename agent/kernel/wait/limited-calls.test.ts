import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { LimitedCalls } from "./limited-calls.ts";

const never = () => new Promise<never>(() => undefined);

test("no more calls than the limit run at a time, and all of them get their answers", async () => {
  const calls = new LimitedCalls(2, 1000);
  let [now, most] = [0, 0];
  const ask = async () => {
    most = Math.max(most, ++now);
    await sleep(1);
    now--;
    return "answer";
  };
  const answers = await Promise.all(Array.from({ length: 9 }, () => calls.run("/a", ask)));
  expect(answers).toEqual(Array(9).fill("answer"));
  expect(most).toBe(2);
});

test("a call that waits too long is refused, naming the calls that hang", async () => {
  const calls = new LimitedCalls(2, 20);
  void calls.run("/a", never);
  void calls.run("/b", never);
  let asked = false;
  const late = calls.run("/c", async () => {
    asked = true;
  });
  await expect(late).rejects.toMatchObject({
    kind: "unavailable",
    message: "/c: not accessed because other file systems don't respond: /a, /b",
  });
  expect(asked).toBe(false);
});

test("a call that fails frees its slot", async () => {
  const calls = new LimitedCalls(1, 1000);
  const broken = calls.run("/a", () => Promise.reject(new Error("ENOTCONN")));
  const next = calls.run("/b", async () => 7);
  await expect(broken).rejects.toThrow("ENOTCONN");
  expect(await next).toBe(7);
});

test("a hung call leaves the other slot to calls that return", async () => {
  const calls = new LimitedCalls(2, 20);
  void calls.run("/hung", never);
  for (let count = 0; count < 5; count++) expect(await calls.run("/a", async () => count)).toBe(count);
});
