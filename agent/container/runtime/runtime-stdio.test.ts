import { existsSync, fstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Sys } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { testSpec } from "../testing/test-spec.ts";
import { nullStdio, openRuntimeStdio } from "./runtime-stdio.ts";

leavesNoDescriptors();
const sys = openSys();
let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runtime-stdio-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const { process } = testSpec();
const open = (parts: Partial<typeof process> = {}, kernel: Partial<Sys> = {}, pipeSize = 0) =>
  openRuntimeStdio(testKernel({ sys: kernel }), { ...process, ...parts }, { directory, pipeSize });
const close = (...fds: readonly number[]) => fds.forEach(sys.close);

test("a process without a terminal inherits pipes, whose other ends the agent takes once", async () => {
  const stdio = open();
  const { stdin = -1, stdout = -1, stderr = -1 } = await stdio.take();
  const [input, output, errors] = stdio.command;
  const through = (from: number, to: number) => {
    sys.write(from, Buffer.from("text"));
    return sys.read(to, new Uint8Array(8));
  };
  expect([through(stdin, input), through(output, stdout), through(errors, stderr)]).toEqual([4, 4, 4]);
  stdio.close();
  close(...stdio.command, stdin, stdout, stderr);
  expect(stdio.consoleSocket).toBeUndefined();
});

test("pipes that nothing has taken are closed", () => {
  const stdio = open();
  stdio.close();
  close(...stdio.command);
});

test.each([
  [0, undefined],
  [1, 1],
  [4096, 4096],
])("a pipe size of %i is requested as %s", (pipeSize, expected) => {
  const sizes: unknown[] = [];
  const pipe = (options: { readonly sizeBytes?: number } = {}) => {
    sizes.push(options.sizeBytes);
    return sys.pipe();
  };
  const stdio = open({}, { pipe }, pipeSize);
  expect(sizes).toEqual([expected, expected, expected]);
  stdio.close();
  close(...stdio.command);
});

test("pipes that can't all be opened are closed", () => {
  let left = 2;
  const pipe = () => {
    if (left-- === 0) throw new Error("EMFILE");
    return sys.pipe();
  };
  expect(() => open({}, { pipe })).toThrow("EMFILE");
});

test("a command that creates no process has /dev/null three times", () => {
  const fds = nullStdio();
  expect(fds.map((fd) => fstatSync(fd).isCharacterDevice())).toEqual([true, true, true]);
  close(...fds);
});

test.each([
  [{ height: 24, width: 80 }, [[24, 80]]],
  [{ height: 0, width: 80 }, []],
  [undefined, []],
])("the terminal that the runtime sends gets the size %j of the spec", async (consoleSize, expected) => {
  const sizes: unknown[] = [];
  const [terminal, other] = sys.socketPair("stream");
  const stdio = open(
    { terminal: true, ...(consoleSize && { consoleSize }) },
    { acceptDescriptor: async () => terminal, setWindowSize: (_, ...size) => void sizes.push(size) },
  );
  expect(existsSync(stdio.consoleSocket ?? "")).toBe(true);
  expect([await stdio.take(), sizes]).toEqual([{ terminal }, expected]);
  stdio.close();
  expect(existsSync(stdio.consoleSocket ?? "")).toBe(false);
  close(...stdio.command, terminal, other);
});

test("a terminal whose size can't be set is closed", async () => {
  const [terminal, other] = sys.socketPair("stream");
  const setWindowSize = () => {
    throw new Error("ENOTTY");
  };
  const parts = { terminal: true, consoleSize: { height: 1, width: 1 } };
  const stdio = open(parts, { acceptDescriptor: async () => terminal, setWindowSize });
  await expect(stdio.take()).rejects.toThrow("ENOTTY");
  stdio.close();
  close(...stdio.command, other);
});

test("each terminal has a socket of its own, whose path is short", () => {
  const all = [open({ terminal: true }), open({ terminal: true })];
  expect(new Set(all.map(({ consoleSocket }) => consoleSocket)).size).toBe(2);
  for (const stdio of all) {
    expect(stdio.consoleSocket).toMatch(/\/tty-\d+$/);
    stdio.close();
    close(...stdio.command);
  }
});
