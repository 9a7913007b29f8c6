import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Child } from "./child.ts";
import { waitUntilListening } from "./listening-socket.ts";

test("a start that is aborted while a program doesn't listen yet ends with the reason of the abort", async () => {
  const directory = mkdtempSync(join(tmpdir(), "listening-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const program = Child.start("sleep", ["/bin/sleep", "1000"], { place: join(directory, "sleep") });
  const reason = new Error("taken back");
  await expect(waitUntilListening(program, "/nonexistent.sock", AbortSignal.abort(reason))).rejects.toBe(reason);
  await program.end(true);
});
