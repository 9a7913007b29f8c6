import { execFileSync } from "node:child_process";
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ProcessStdio } from "./process-stdio.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stdio-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function fifo(name: string): string {
  const path = join(directory, name);
  execFileSync("mkfifo", [path]);
  return path;
}

const none = { stdin: "", stdout: "", stderr: "", terminal: false };

test("opens without the engine, and keeps output until it reads, whole", async () => {
  const paths = { ...none, stdin: fifo("in"), stdout: fifo("out"), stderr: fifo("err") };
  const stdio = ProcessStdio.open(paths);
  const big = Buffer.alloc(300_000, "x");
  const written = stdio.write("stdout", big).then(() => stdio[Symbol.dispose]());
  await stdio.write("stderr", Buffer.from("err"));
  expect(stdio.written).toBe(3);
  const [out, err] = await Promise.all([text(createReadStream(paths.stdout)), text(createReadStream(paths.stderr))]);
  await written;
  expect([out.length, err]).toEqual([300_000, "err"]);
});

test("a process whose output nobody reads can be let go of", async () => {
  const stdio = ProcessStdio.open({ ...none, stdout: fifo("out") });
  const written = stdio.write("stdout", Buffer.alloc(300_000));
  stdio[Symbol.dispose]();
  await written;
});

test("stdin ends once the engine has closed its end and says so, and not before", async () => {
  const paths = { ...none, stdin: fifo("in") };
  using stdio = ProcessStdio.open(paths);
  const got: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let hasEnded = false;
  const passing = stdio.passInput(
    async (bytes) => void got.push(String(bytes)),
    () => {
      hasEnded = true;
      resolve();
    },
  );
  for (const word of ["one", "two"]) {
    await new Promise<void>((closed) => void createWriteStream(paths.stdin).end(word).once("close", closed));
    await expect.poll(() => got.at(-1)).toBe(word);
  }
  expect(hasEnded).toBe(false);
  stdio.closeInput();
  stdio.closeInput();
  await ended;
  await passing;
});

test("a process without stdin has none", async () => {
  using stdio = ProcessStdio.open(none);
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  await stdio.passInput(async () => undefined, resolve);
  await ended;
});

test("appends to a file", async () => {
  const file = join(directory, "log");
  for (const line of ["one\n", "two\n"]) {
    using stdio = ProcessStdio.open({ ...none, stdout: `file://${file}?mode=append` });
    await stdio.write("stdout", Buffer.from(line));
  }
  expect(readFileSync(file, "utf8")).toBe("one\ntwo\n");
});

test("says in one line what it can't open", () => {
  expect(() => ProcessStdio.open({ ...none, stdout: "binary:///usr/bin/logger" })).toThrow(
    "stdout binary:///usr/bin/logger: guestd's shim has no log driver of kind binary; use a FIFO or file://",
  );
  expect(() => ProcessStdio.open({ ...none, stdin: "/nonexistent/in" })).toThrow(
    /^stdin \/nonexistent\/in: ENOENT[^\n]+$/,
  );
});

test("a terminal has no stderr", async () => {
  using stdio = ProcessStdio.open({ ...none, stderr: "/nonexistent/err", terminal: true });
  await stdio.write("stderr", Buffer.from("dropped"));
});
