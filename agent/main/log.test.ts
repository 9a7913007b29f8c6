import { once } from "node:events";
import { duplexPair, PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { createLog } from "./log.ts";
import { LogSink } from "./log-sink.ts";

function lines(level: "trace" | "info", use: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const written: string[] = [];
  use(createLog({ level, version: "1.0.0", write: (line) => written.push(line) }));
  return written.map((line) => JSON.parse(line));
}

test("a line has the keys that hosts read", () => {
  const [line] = lines("info", (log) => log.warn({ container: "c1" }, "out of memory"));
  expect(line).toMatchObject({
    msg: "out of memory",
    level: "WARN",
    name: "guestd",
    version: "1.0.0",
    source: "agent",
    subsystem: "agent",
    pid: process.pid,
    container: "c1",
  });
  expect(line?.["ts"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
});

test("levels have the contract's names", () => {
  const all = lines("trace", (log) => {
    for (const level of ["trace", "debug", "info", "warn", "error", "fatal"] as const) log[level]("x");
  });
  expect(all.map((line) => line["level"])).toEqual(["TRCE", "DEBG", "INFO", "WARN", "ERRO", "CRIT"]);
});

test("a reader that connects late gets the kept lines, then each new one", async () => {
  const sink = new LogSink("1.0.0");
  sink.console = false;
  sink.write("one\n");
  const [agent, reader] = duplexPair();
  sink.addReader(agent);
  sink.write("two\n");
  sink.close();
  expect(await text(reader)).toBe("one\ntwo\n");
});

test("only the last 512 lines are kept", () => {
  const sink = new LogSink("1.0.0");
  sink.console = false;
  for (let i = 0; i < 600; i++) sink.write(`${i}\n`);
  const [agent, reader] = duplexPair();
  sink.addReader(agent);
  expect(String(reader.read()).split("\n")[0]).toBe("88");
});

test("a reader that does not read loses lines and costs bounded memory", () => {
  const sink = new LogSink("1.0.0");
  sink.console = false;
  const reader = new PassThrough({ highWaterMark: 1 });
  sink.addReader(reader);
  reader.pause();
  for (let i = 0; i < 100; i++) sink.write("x".repeat(100_000));
  expect(reader.writableLength + reader.readableLength).toBeLessThan(2 << 20);
});

test("a reader that has caught up learns how many lines it lost", async () => {
  const sink = new LogSink("1.0.0");
  sink.console = false;
  const [agent, reader] = duplexPair();
  sink.addReader(agent);
  const line = `${"x".repeat(99_999)}\n`;
  for (let i = 0; i < 100; i++) sink.write(line);
  const drained = once(agent, "drain");
  const read = text(reader);
  await drained;
  sink.write("next\n");
  sink.close();
  const lines = (await read).trimEnd().split("\n");
  const [note, next] = [JSON.parse(lines.at(-2) ?? ""), lines.at(-1)];
  expect(note).toMatchObject({ level: "WARN", msg: "lines are missing: this reader was too slow" });
  expect([lines.length - 2 + note.lines, next]).toEqual([100, "next"]);
});
