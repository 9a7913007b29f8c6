import { expect, test } from "vitest";
import { ToolFiles } from "./tool-files.ts";

test("asks the container for its user's home only if a path is relative", async () => {
  const started: string[] = [];
  const files = new ToolFiles((argv) => {
    started.push(argv[0] === "sh" ? "sh" : argv.join(" "));
    return Promise.resolve({ exitCode: 0, stdoutBytes: Buffer.from("/root\n"), stderr: "" }) as never;
  });
  const { signal } = new AbortController();
  await files.remove("/a", { recursive: false }, signal);
  expect(started.splice(0)).toEqual(["rm /a"]);
  await files.remove("a", { recursive: false }, signal);
  await files.remove("b", { recursive: false }, signal);
  expect(started).toEqual(["sh", "rm /root/a", "rm /root/b"]);
});
