import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { type Files, realFiles } from "../../kernel/files.ts";
import { watchOom } from "./oom-watch.ts";

function setUp(seen?: number) {
  const state = { text: "low 0\noom 0\noom_kill 0\noom_group_kill 0\n", changed: () => {}, closed: 0 };
  const kills: number[] = [];
  const files = { readText: () => state.text } as unknown as Files;
  const watch = (_: string, changed: () => void) => {
    state.changed = changed;
    return { close: () => void state.closed++ };
  };
  const start = () => watchOom(files, "/cg/c1", (n) => kills.push(n), { watch, seen });
  const set = (n: number) => {
    state.text = `low 0\noom ${n}\noom_kill ${n}\noom_group_kill ${n + 5}\n`;
  };
  return { state, kills, start, set };
}

test("reports every observed increase once, with its size", () => {
  const { state, kills, start, set } = setUp();
  start();
  state.changed();
  set(1);
  state.changed();
  state.changed();
  set(4);
  state.changed();
  expect(kills).toEqual([1, 3]);
});

test("doesn't report what was counted before the watch began", () => {
  const { kills, start, set } = setUp();
  set(2);
  const watch = start();
  watch.check();
  expect(kills).toEqual([]);
});

test("reports at once what a previous agent did not see", () => {
  const { kills, start, set } = setUp(1);
  set(3);
  expect(start().total).toBe(3);
  expect(kills).toEqual([2]);
});

test("reports no kills for a counter that a previous agent saw higher, and continues from its new value", () => {
  const { kills, start, set } = setUp(5);
  set(3);
  const watch = start();
  expect(kills).toEqual([]);
  set(4);
  watch.check();
  expect(kills).toEqual([1]);
});

test("a check finds an increase without a notification", () => {
  const { kills, start, set } = setUp();
  const watch = start();
  set(1);
  watch.check();
  expect(kills).toEqual([1]);
});

test("reports nothing after close, which may be called twice", () => {
  const { state, kills, start, set } = setUp();
  const watch = start();
  watch.close();
  watch.close();
  set(1);
  state.changed();
  watch.check();
  expect(kills).toEqual([]);
  expect(state.closed).toBe(1);
});

test("refuses a cgroup without the counter in one line", () => {
  const { state, start } = setUp();
  state.text = "";
  const message = "watch oom_kill of /cg/c1/memory.events: the cgroup has no such counter";
  expect(start).toThrow(expect.objectContaining({ kind: "failed-precondition", message }));
  state.text = "xoom_kill 1\noom_kill 1x\n";
  expect(start).toThrow(message);
});

test("a cgroup that is removed ends the reports silently", () => {
  const { kills } = setUp();
  let text: string | undefined = "oom_kill 1\n";
  const readText = () => {
    if (text === undefined) throw new Error("ENODEV");
    return text;
  };
  const watch = () => ({ close: () => undefined });
  const watching = watchOom({ readText } as unknown as Files, "/cg/c1", (n) => kills.push(n), { watch });
  text = undefined;
  watching.check();
  text = "";
  watching.check();
  expect([kills, watching.total]).toEqual([[], 1]);
});

test("reads another counter of another file if asked for it", () => {
  const paths: string[] = [];
  const readText = (path: string) => {
    paths.push(path);
    return "populated 3\n";
  };
  const watch = (path: string) => {
    paths.push(path);
    return { close: () => undefined };
  };
  const options = { file: "cgroup.events", key: "populated", watch };
  expect(watchOom({ readText } as unknown as Files, "/cg", () => undefined, options).total).toBe(3);
  expect(new Set(paths)).toEqual(new Set(["/cg/cgroup.events"]));
});

test("reports at once what was counted while the watch began", () => {
  const kills: number[] = [];
  const texts = ["oom_kill 1\n", "oom_kill 4\n"];
  const watch = () => ({ close: () => undefined });
  const readText = () => texts.shift() ?? "";
  watchOom({ readText } as unknown as Files, "/cg/c1", (n) => kills.push(n), { watch });
  expect(kills).toEqual([3]);
});

test("reads a file that can't be watched every second until the watch is closed", () => {
  vi.useFakeTimers();
  let oomKills = 0;
  const kills: number[] = [];
  const files = { readText: () => `oom_kill ${oomKills}\n` } as unknown as Files;
  const watch = () => {
    throw new Error("ENOSPC");
  };
  const watching = watchOom(files, "/cg/c1", (n) => kills.push(n), { watch });
  oomKills = 2;
  vi.advanceTimersByTime(999);
  expect(kills).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(kills).toEqual([2]);
  watching.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test("reports a change of the file itself", async () => {
  const directory = mkdtempSync(join(tmpdir(), "oom-watch-"));
  const file = join(directory, "memory.events");
  writeFileSync(file, "oom_kill 1\n");
  const { promise, resolve } = Promise.withResolvers<number>();
  const watch = watchOom(realFiles, directory, resolve);
  writeFileSync(file, "oom_kill 3\n");
  expect(await promise).toBe(2);
  watch.close();
  watch.close();
  rmSync(directory, { recursive: true });
});
