import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { ProcessorUse } from "./guest-use.ts";

test("a process that computes is in use, one that sleeps isn't, and one that has ended can't be read", async () => {
  const [busy, quiet] = [spawn("sh", ["-c", "while :; do :; done"]), spawn("sleep", ["1000"])];
  onTestFinished(() => {
    for (const child of [busy, quiet]) child.kill("SIGKILL");
  });
  await Promise.all([once(busy, "spawn"), once(quiet, "spawn")]);
  const uses = [busy, quiet].map(({ pid = 0 }) => new ProcessorUse(pid));
  await expect.poll(() => uses[0]?.isUsed()).toBe(true);
  expect(uses[1]?.isUsed()).toBe(false);
  const exited = once(quiet, "exit");
  quiet.kill("SIGKILL");
  await exited;
  expect(() => uses[1]?.isUsed()).toThrow("ENOENT");
});
