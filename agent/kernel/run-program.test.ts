import { expect, test } from "vitest";
import { runProgram } from "./run-program.ts";

const sh = (line: string, options = {}) => runProgram("/bin/sh", ["-c", line], options);

test("a program gets its input, and its output is returned", async () => {
  expect(String(await sh("cat; pwd; echo $PATH", { input: "in\n" }))).toBe("in\n/\n/usr/sbin:/usr/bin:/sbin:/bin\n");
  expect(String(await sh("cat"))).toBe("");
});

test.each([
  ["fails silently", "exit 3", "/bin/sh: exit code 3"],
  ["says why it fails", "echo first >&2; echo ' the reason ' >&2; exit 1", "/bin/sh: the reason (exit code 1)"],
  ["writes endlessly", "yes", "/bin/sh: it wrote more than 4194304 bytes"],
])("a program that %s is reported in one line", async (_, line, message) => {
  await expect(sh(line, { input: "x".repeat(200_000) })).rejects.toThrow(message);
});

test("a program that is missing, hangs or is aborted rejects with the reason", async () => {
  await expect(runProgram("/sbin/none", [])).rejects.toThrow("/sbin/none: the image has no such program");
  await expect(sh("exec sleep 60", { limitMs: 50 })).rejects.toThrow("/bin/sh: it didn't finish within 50 ms");
  await expect(sh("exec sleep 60", { signal: AbortSignal.timeout(50) })).rejects.toThrow("timeout");
});
