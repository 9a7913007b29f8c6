import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { HangingCalls } from "./limited-calls.ts";

const never = () => new Promise<never>(() => undefined);

test("no more than so many are asked at a time, and all get their answers in the end", async () => {
  const calls = new HangingCalls(2, 1000);
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

test("one that waits too long is refused with the names of those that hang", async () => {
  const calls = new HangingCalls(2, 20);
  void calls.run("/a", never);
  void calls.run("/b", never);
  let asked = false;
  const late = calls.run("/c", async () => {
    asked = true;
  });
  await expect(late).rejects.toMatchObject({
    kind: "unavailable",
    message: "/c: not asked, as other file systems do not answer: /a, /b",
  });
  expect(asked).toBe(false);
});

test("the place of one that fails is free again", async () => {
  const calls = new HangingCalls(1, 1000);
  const broken = calls.run("/a", () => Promise.reject(new Error("ENOTCONN")));
  const next = calls.run("/b", async () => 7);
  await expect(broken).rejects.toThrow("ENOTCONN");
  expect(await next).toBe(7);
});

test("a hung one leaves the other place to those that answer", async () => {
  const calls = new HangingCalls(2, 20);
  void calls.run("/hung", never);
  for (let count = 0; count < 5; count++) expect(await calls.run("/a", async () => count)).toBe(count);
});
