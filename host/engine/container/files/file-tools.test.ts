import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { FileTools, TOOL_BYTES, TOOL_ENV } from "./file-tools.ts";

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), "file-tools-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** With a small stack, a command may have 128 KiB of words. */
const SMALL = 'ulimit -s 256; exec "$@"';

const tools = new FileTools(async (args) => {
  const env = Object.fromEntries(TOOL_ENV.map((each) => each.split("=")));
  const options = { env: { ...env, PATH: process.env["PATH"] }, maxBuffer: TOOL_BYTES, encoding: "buffer" } as const;
  return (await run("sh", ["-c", SMALL, "sh", ...args], options)).stdout;
}, directory);
const names = async (path: string) => (await tools.list(path)).map(({ filename }) => filename).toSorted();

test("lists hidden names and those with line feeds, whatever they look like", async () => {
  const expected = [".hidden", "-n", "two\nlines", "%n"];
  for (const name of expected) writeFileSync(join(directory, name), "");
  expect(await names(".")).toEqual([".", "..", ...expected].toSorted());
});

test("reports a directory that doesn't exist, and one that is a file", async () => {
  writeFileSync(join(directory, "file"), "");
  await expect(tools.list("missing")).rejects.toThrow(/missing.*No such file or directory/);
  await expect(tools.list("file")).rejects.toThrow(/file.*Not a directory/);
});

test("lists names that are too long together for one command", async () => {
  const many = mkdtempSync(join(directory, "many-"));
  for (let at = 0; at < 600; at++) writeFileSync(join(many, `${at}-${"x".repeat(240)}`), "");
  expect((await names(many)).length).toBe(602);
});
