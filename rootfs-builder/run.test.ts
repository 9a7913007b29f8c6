import { expect, test } from "vitest";
import { run } from "./run.ts";

const shell = (script: string, options = {}) => run("sh", ["-c", script], options);

test("a program that does not come to its end, or says too much, is killed", async () => {
  await expect(shell("exec sleep 1000", { timeout: 100 })).rejects.toThrow("sh: not at its end after 0.1 s");
  await expect(run("yes", [], { maxOutput: 10_000 })).rejects.toThrow("yes: it says more than 10000 bytes");
  await expect(shell("exec yes >&2", { maxOutput: 10_000 })).rejects.toThrow("sh: it says more than 10000 bytes");
});

test("who watches its output may end it", async () => {
  const seen: Buffer[] = [];
  const rest = await shell("echo out", { watch: (piece: Buffer) => seen.push(piece) });
  expect([Buffer.concat(seen).toString(), rest.length]).toEqual(["out\n", 0]);
  const refuse = () => {
    throw new Error("on purpose");
  };
  await expect(run("yes", [], { watch: refuse })).rejects.toThrow("on purpose");
});

test("its last words come as one line without what a terminal obeys", async () => {
  const failing = shell("printf 'first\\nno \\033[31mgood\\r' >&2; exit 3");
  await expect(failing).rejects.toThrow(/ended with 3: no \?\[31mgood$/);
});
