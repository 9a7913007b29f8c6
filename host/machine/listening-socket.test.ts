import { expect, test } from "vitest";
import { Child } from "./child.ts";
import { waitUntilListening } from "./listening-socket.ts";

test("a start that is aborted while a program doesn't listen yet ends with the reason of the abort", async () => {
  const program = new Child("sleep", ["/bin/sleep", "1000"]);
  const reason = new Error("taken back");
  await expect(waitUntilListening(program, "/nonexistent.sock", AbortSignal.abort(reason))).rejects.toBe(reason);
  await program.end(true);
});
