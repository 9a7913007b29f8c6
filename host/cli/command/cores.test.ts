import { expect, test } from "vitest";
import { tableOf } from "./cores.ts";

test("lists a core dump with what is known of its process", () => {
  const core = {
    id: 7,
    time: new Date(1000),
    container: "web",
    exec: "job",
    pid: 99,
    ownPid: 1,
    signal: 11,
    uid: 0,
    gid: 0,
  };
  const rows = tableOf(
    [
      { ...core, command: "app", size: 2048, cut: "" },
      { ...core, container: "", exec: "", signal: 99, command: "init", size: 1, cut: "time" },
    ],
    61_000,
  );
  expect(rows).toEqual([
    ["ID", "CONTAINER", "EXEC", "PID", "SIGNAL", "SIZE", "AGE", "COMMAND"],
    ["7", "web", "job", "1", "SIGSEGV", "2.0 KiB", "1 min", "app"],
    ["7", "-", "-", "1", "99", "1 B (cut: time)", "1 min", "init"],
  ]);
});
