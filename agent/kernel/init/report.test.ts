import { expect, test } from "vitest";
import { openSys } from "../sys/sys.ts";
import { encodeReport } from "../testing/init-double.ts";
import { ReportReader } from "./report.ts";

const sys = openSys();

function record(kind: number, index = 0, errno = 0, text = "", length = Buffer.byteLength(text)): Buffer {
  const bytes = Buffer.alloc(16);
  for (const [at, value] of [kind, index, errno, length].entries()) bytes.writeInt32LE(value, at * 4);
  return Buffer.concat([bytes, Buffer.from(text)]);
}

async function withPipe(work: (pipe: { read: number; write: number }) => Promise<void>): Promise<void> {
  const pipe = sys.pipe();
  try {
    await work(pipe);
  } finally {
    sys.close(pipe.read);
  }
}

test("a reader returns ready, then executed at end of file", () =>
  withPipe(async ({ read, write }) => {
    const reader = new ReportReader(sys, read);
    sys.write(write, record(1));
    expect(await reader.next()).toEqual({ kind: "ready" });
    sys.close(write);
    expect(await reader.next()).toEqual({ kind: "executed" });
    expect(await reader.next()).toEqual({ kind: "executed" });
  }));

test("ready has durations, and a restarted agent's reader gets what follows them", () =>
  withPipe(async ({ read, write }) => {
    sys.write(write, encodeReport({ kind: "ready", micros: [0, 12, 65_535] }));
    sys.write(write, record(2, 3, 2));
    expect(await new ReportReader(sys, read).next()).toEqual({ kind: "ready", micros: [0, 12, 65_535] });
    expect(await new ReportReader(sys, read).next()).toEqual({ kind: "failed", index: 3, errno: 2, text: "" });
    sys.close(write);
  }));

test("a failure report has the operation, the errno and the kernel's text without its newline", () =>
  withPipe(async ({ read, write }) => {
    sys.write(write, record(2, 7, 22, "tmpfs: Unknown parameter 'x'\n"));
    sys.close(write);
    const report = await new ReportReader(sys, read).next();
    expect(report).toEqual({ kind: "failed", index: 7, errno: 22, text: "tmpfs: Unknown parameter 'x'" });
  }));

test("a reader takes no more than one report, so a second reader gets the next", () =>
  withPipe(async ({ read, write }) => {
    sys.write(write, record(1));
    sys.write(write, record(2, 3, 2));
    expect(await new ReportReader(sys, read).next()).toEqual({ kind: "ready" });
    expect(await new ReportReader(sys, read).next()).toEqual({ kind: "failed", index: 3, errno: 2, text: "" });
    sys.close(write);
  }));

test("an aborted wait rejects, and the report is not lost", () =>
  withPipe(async ({ read, write }) => {
    const reader = new ReportReader(sys, read);
    const abort = new AbortController();
    const first = reader.next(abort.signal);
    abort.abort(new Error("no longer wanted"));
    await expect(first).rejects.toThrow("no longer wanted");
    sys.write(write, record(1));
    expect(await new ReportReader(sys, read).next()).toEqual({ kind: "ready" });
    sys.close(write);
  }));

test("a text of 240 bytes is a report's longest", () =>
  withPipe(async ({ read, write }) => {
    const text = "x".repeat(240);
    sys.write(write, record(2, 1, 2, text));
    expect(await new ReportReader(sys, read).next()).toEqual({ kind: "failed", index: 1, errno: 2, text });
    sys.close(write);
  }));

test.each([
  ["an unknown kind", record(3)],
  ["half a record", record(1).subarray(0, 8)],
  ["a text that is too long", record(2, 0, 1, "", 241)],
])("%s is rejected as not a report", (_, bytes) =>
  withPipe(async ({ read, write }) => {
    sys.write(write, bytes);
    sys.close(write);
    const message = `read report on fd ${read}: not a launch report (${Math.min(bytes.length, 16)} bytes)`;
    await expect(new ReportReader(sys, read).next()).rejects.toMatchObject({ kind: "internal", message });
  }),
);
