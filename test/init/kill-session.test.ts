import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Files } from "../../agent/kernel/files.ts";
import { killSession } from "../../agent/main/kill-session.ts";
import { describeInNamespaces } from "./testing/describe-in-namespaces.ts";
import { inPidNamespace } from "./testing/in-pid-namespace.ts";

const AGENT = join(import.meta.dirname, "../../agent");

/**
 * Prints how the leader of a session ended, and which of five processes survived: three in the session and two others.
 */
const script = `
  import { spawn } from "node:child_process";
  import { once } from "node:events";
  import { setTimeout as sleep } from "node:timers/promises";
  const { realFiles } = await import("${AGENT}/kernel/files.ts");
  const { killSession } = await import("${AGENT}/main/kill-session.ts");
  const run = (line, detached = true) => spawn("/bin/sh", ["-c", line], { detached, stdio: "ignore" });
  const names = () => realFiles.list("/proc").filter((pid) => /^\\d+$/.test(pid)).flatMap((pid) => {
    try {
      return /^sleep\\0(\\d+)/.exec(realFiles.readText(\`/proc/\${pid}/cmdline\`))?.[1] ?? [];
    } catch {
      return [];
    }
  }).sort();
  const until = async (count) => { while (names().length !== count) await sleep(5); };
  const leader = run("sleep 101 & (trap '' HUP TERM; exec sleep 102) & exec sleep 103");
  const others = [run("exec sleep 201"), run("exec sleep 202", false)];
  await until(5);
  const ended = once(leader, "exit");
  killSession(realFiles, leader.pid);
  const end = await ended;
  await until(2);
  console.log(JSON.stringify({ end, left: names() }));
  for (const other of others) other.kill("SIGKILL");`;

describeInNamespaces("killSession", () => {
  test("killSession kills every process of a session, even one that ignores SIGHUP, and no other process", () => {
    const node = [process.execPath, "--input-type=module", "--eval", script];
    const { stdout, stderr } = spawnSync(...inPidNamespace(node), {
      encoding: "utf8",
      timeout: 50_000,
      killSignal: "SIGKILL",
    });
    expect(JSON.parse(stdout || JSON.stringify(stderr))).toEqual({ end: [null, "SIGKILL"], left: ["201", "202"] });
  });
});

const OWN = 77;
/** A /proc with only this process, in session 77, which is not the session to kill. */
const files: Pick<Files, "list" | "readText"> = {
  list: () => [],
  readText: () => `${process.pid} (node) S 1 1 ${OWN} 0`,
};

test("killSession does nothing for a session without processes", () => {
  killSession(files, 2 ** 22 + 1);
});

test.each([-1, 0, 1, OWN])("killSession refuses session %i, which is its own or the kernel's", (id) => {
  expect(() => killSession(files, id)).toThrow(`kill session ${id}: not a session that the agent has started`);
});
