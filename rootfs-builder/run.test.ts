import { expect, test } from "vitest";
import { run } from "./run.ts";

const shell = (script: string) => run("sh", ["-c", script]);

test("reports a program's last line without terminal control sequences", async () => {
  const failing = shell("printf 'first\\nno \\033[31mgood\\r' >&2; exit 3");
  await expect(failing).rejects.toThrow(/ended with 3: no \?\[31mgood$/);
});
