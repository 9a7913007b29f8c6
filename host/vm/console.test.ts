import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Console } from "./console.ts";

function feed(console: Console, ...pieces: readonly (string | Buffer)[]): void {
  for (const piece of pieces) console.take(Buffer.from(piece));
  console.end();
}

const never = new AbortController().signal;

describe("Console", () => {
  test("joins pieces into lines, and the last line needs no line feed", async () => {
    const seen: string[] = [];
    feed(new Console({ onLine: (line) => seen.push(line) }), "on", "e\r\ntw", "o\n", "three");
    expect(seen).toEqual(["one", "two", "three"]);
  });

  test("removes C0 and C1 control characters and marks that reorder text", async () => {
    const seen: string[] = [];
    feed(new Console({ onLine: (line) => seen.push(line) }), "a\u001b\u001b[0m[2Jb\u009b1mc\u0007\u202e\n");
    expect(seen).toEqual(["a[2Jb1mc"]);
  });

  test("limits endless output to two files that include the last lines", async () => {
    const directory = await mkdtemp(join(tmpdir(), "guestd-console-"));
    const file = join(directory, "console.log");
    const line = "x".repeat(4000);
    const console = new Console({ file });
    for (let at = 0; at < 5000; at++) console.add(line);
    console.add("last");
    const sizes = await Promise.all([file, `${file}.1`].map(async (path) => (await readFile(path)).length));
    expect(sizes[1]).toBeLessThanOrEqual(8 << 20);
    expect((sizes[0] ?? 0) + (sizes[1] ?? 0)).toBeGreaterThan(8 << 20);
    expect((await readFile(file, "utf8")).endsWith("last\n")).toBe(true);
    await rm(directory, { recursive: true });
  });

  test("keeps a character that is split between two pieces", async () => {
    const console = new Console();
    const bytes = Buffer.from("grüß\n");
    feed(console, bytes.subarray(0, 3), bytes.subarray(3));
    expect(console.text).toBe("grüß");
  });

  test("removes the firmware's terminal sequences", async () => {
    const console = new Console();
    feed(console, "\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS\x07\n");
    expect(console.text).toBe("SeaBIOS");
  });

  test("returns the last lines, or everything from a kernel panic on", () => {
    const lines = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name} ${index}`);
    const console = new Console();
    for (const line of lines("start", 50)) console.add(line);
    expect(console.lastWords()).toEqual(lines("start", 50).slice(-40));
    console.add("Kernel panic - not syncing");
    for (const line of lines("trace", 70)) console.add(line);
    expect(console.lastWords()).toEqual(["Kernel panic - not syncing", ...lines("trace", 70)]);
    const short = new Console();
    for (const line of ["one", "Kernel panic - not syncing", "two"]) short.add(line);
    expect(short.lastWords()).toEqual(["one", "Kernel panic - not syncing", "two"]);
    for (const line of lines("trace", 500)) short.add(line);
    expect(short.lastWords()).toEqual(lines("trace", 500).slice(-40));
  });

  test("keeps only the last lines in memory and writes all to the file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "console-"));
    try {
      const file = join(directory, "log");
      const console = new Console({ lines: 2, file });
      feed(console, "one\ntwo\nthree\n");
      expect(console.tail(9)).toEqual(["two", "three"]);
      expect(await readFile(file, "utf8")).toBe("one\ntwo\nthree\n");
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("splits output without line feeds into lines of bounded length", async () => {
    const console = new Console();
    feed(console, "x".repeat(10_000), "y".repeat(10_000));
    const lines = console.text.split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBe(4096);
    expect(lines.join("")).toBe("x".repeat(10_000) + "y".repeat(10_000));
  });

  test("waits for an earlier or a later line", async () => {
    const console = new Console();
    console.add("first");
    expect(await console.waitFor(/^fir/, never)).toBe("first");
    const later = console.waitFor(/sec/, never);
    console.add("second");
    expect(await later).toBe("second");
  });

  test("rejects a wait with the signal's reason", async () => {
    const stop = new AbortController();
    const waiting = new Console().waitFor(/never/, stop.signal);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await expect(new Console().waitFor(/never/, stop.signal)).rejects.toThrow("enough");
  });
});
