import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const script = join(import.meta.dirname, "janitor.sh");

describe("the janitor of a test run", () => {
  let directory = "";
  let temporary = "";
  let work = "";
  let janitor: ChildProcess;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "janitor-"));
    temporary = join(directory, "temporary");
    work = join(directory, "work");
    mkdirSync(join(temporary, "some/tree"), { recursive: true });
    mkdirSync(work);
    janitor = spawn("/bin/sh", [script, temporary, work], {
      stdio: ["pipe", "inherit", "inherit"],
      env: { PATH: process.env["PATH"] },
    });
  });

  afterEach(() => {
    janitor.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  });

  test("does nothing while the run goes on, whatever signals come", async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) janitor.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(janitor.exitCode ?? janitor.signalCode).toBeNull();
    expect(existsSync(temporary)).toBe(true);
  });

  test("removes the temporary files of a run that has ended, and goes", async () => {
    janitor.stdin?.end("done\n");
    expect(await once(janitor, "exit")).toEqual([0, null]);
    expect(existsSync(temporary)).toBe(false);
  });

  test("after a killed run it takes what its processes still made, but nothing of a living one", async () => {
    const dead = spawnSync("true").pid;
    const mine = join(work, `agent-${process.pid}-abcdef`);
    mkdirSync(mine);
    janitor.stdin?.end();
    await expect.poll(() => existsSync(temporary)).toBe(false);
    const late = join(work, `agent-${dead}-abcdef`);
    mkdirSync(join(late, "rootfs"), { recursive: true });
    mkdirSync(temporary);
    await expect.poll(() => existsSync(late) || existsSync(temporary), { timeout: 5000 }).toBe(false);
    expect(existsSync(mine)).toBe(true);
  });

  test.each(["killed", "done"])("ends what a run has sent to the background, when that is %s", async (how) => {
    const sleep = (TMPDIR: string) =>
      spawn("sleep", ["1000"], { detached: true, env: { ...process.env, TMPDIR }, stdio: "ignore" });
    const [mine, other] = [sleep(temporary), sleep(work)];
    try {
      janitor.stdin?.end(how === "done" ? "done\n" : "");
      expect(await once(mine, "exit")).toEqual([null, "SIGKILL"]);
      expect(other.exitCode ?? other.signalCode).toBeNull();
    } finally {
      other.kill("SIGKILL");
    }
  });

  test.skipIf(process.getuid?.() !== 0)(
    "unmounts what is mounted there before it removes files (needs root)",
    async () => {
      const precious = join(directory, "precious");
      mkdirSync(join(precious, "data"), { recursive: true });
      spawnSync("mount", ["--bind", precious, join(temporary, "some/tree")]);
      janitor.stdin?.end("done\n");
      await once(janitor, "exit");
      expect(existsSync(temporary)).toBe(false);
      expect(existsSync(join(precious, "data"))).toBe(true);
    },
  );
});
