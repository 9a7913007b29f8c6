import { expect, test } from "vitest";
import type { LifecycleEvent } from "../../kernel/lifecycle.ts";
import { missingEvents } from "./missing-events.ts";

const web = (type: LifecycleEvent["type"], exec = ""): LifecycleEvent => ({ type, container: "web", exec });
const running = { exec: "web", started: true };
const ended = { code: 7, signal: 0 };
const short = (events: readonly LifecycleEvent[]) => events.map(({ type, exec, code }) => [type, exec, code]);

test("adds what the last agent did not report, and the ends of processes meanwhile", () => {
  const found = [{ id: "web", first: { ...running, ended }, execs: [{ exec: "x", started: true, ended }] }];
  const of = (...kept: LifecycleEvent[]) => short(missingEvents(kept, found));
  const started = ["container-started", undefined, undefined];
  const exited = ["container-exited", undefined, 7];
  const execs = [
    ["exec-started", "x", undefined],
    ["exec-exited", "x", 7],
  ];
  expect(of()).toEqual([["container-created", undefined, undefined], started, exited, ...execs]);
  expect(of(web("container-created"), web("container-started"))).toEqual([exited, ...execs]);
  const all = [web("container-created"), web("container-started"), web("container-exited")];
  expect(of(...all, web("exec-started", "x"), web("exec-exited", "x"))).toEqual([]);
  expect(of(...all, web("exec-started", "x"), web("exec-exited", "x"), web("exec-started", "x"))).toEqual([execs[1]]);
});

test.each(["oom-killed", "exec-exited", "container-exited", "core-dumped"] as const)(
  "adds no second removal of a container whose %s event follows the first one",
  (late) => {
    const kept = [web("container-created"), web("container-started"), web("container-removed"), web(late, "x")];
    expect(missingEvents(kept, [])).toEqual([]);
    expect(missingEvents([...kept, web("container-created")], [])).toEqual([
      { type: "container-removed", container: "web" },
    ]);
  },
);

test("adds the removal of containers that are gone, and begins again with a reused id", () => {
  const all = [web("container-created"), web("container-started"), web("container-exited")];
  expect(missingEvents(all, [])).toEqual([{ type: "container-removed", container: "web" }]);
  expect(missingEvents([...all, web("container-removed")], [])).toEqual([]);
  expect(missingEvents([...all, web("container-removed"), web("core-dumped")], [])).toEqual([]);
  const again = [...all, web("container-removed"), web("container-created")];
  const found = [{ id: "web", first: { exec: "web", started: false }, execs: [] }];
  expect(missingEvents(again, found)).toEqual([]);
  expect(short(missingEvents(again, [{ id: "web", first: running, execs: [] }]))).toEqual([
    ["container-started", undefined, undefined],
  ]);
});
