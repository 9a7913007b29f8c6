import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test, vi } from "vitest";
import { realFiles } from "../kernel/files.ts";
import { killSession } from "./kill-session.ts";

const NAME = `${process.pid}.5`;
const sleepers = () =>
  realFiles.list("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && realFiles.readText(`/proc/${pid}/cmdline`).includes(`sleep\0${NAME}`);
    } catch {
      return false;
    }
  });

test("kills whatever a session has in it, also what hears no SIGHUP, and nobody else", async () => {
  const line = `sleep ${NAME} & (trap '' HUP TERM; exec sleep ${NAME}) & exec sleep ${NAME}`;
  const leader = spawn("/bin/sh", ["-c", line], { detached: true, stdio: "ignore" });
  const other = spawn("/bin/sleep", [NAME], { detached: true, stdio: "ignore" });
  await vi.waitFor(() => expect(sleepers()).toHaveLength(4));
  const ended = once(leader, "exit");
  killSession(realFiles, leader.pid ?? -1);
  expect(await ended).toEqual([null, "SIGKILL"]);
  await vi.waitFor(() => expect(sleepers()).toEqual([String(other.pid)]));
  other.kill("SIGKILL");
});

test("a session without processes is no error", () => {
  killSession(realFiles, 2 ** 22 + 1);
});
