import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { childrenOf } from "../init/testing/children-of.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { inPidNamespace } from "../init/testing/in-pid-namespace.ts";

const script = join(import.meta.dirname, "janitor.sh");
/** A pid that no process has in the test's pid namespace, whose PID 1 is the shell that stands in for the test run. */
const DEAD = 30_000;

/**
 * A stand-in for a run with two background processes, one of them with a folder for temporary files of its own, and one of
 * another run. Prints which of them is left at the end.
 */
const RUN = `
  TMPDIR=$2 setsid sleep 1000 & mine=$!
  TMPDIR=$2/some setsid sleep 1000 & below=$!
  TMPDIR=$3 setsid sleep 1000 & other=$!
  /bin/sh "$1" "$2" "$3"
  status=$?
  for pid in $mine $below $other; do kill -0 $pid 2>/dev/null && [ $pid = $other ] && echo other is left; done
  for pid in $mine $below; do wait $pid; echo "mine ended with $?"; done
  exit $status`;

describeInNamespaces("the janitor of a test run", () => {
  let directory = "";
  let temporary = "";
  let work = "";
  let janitor: ChildProcess;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "janitor-"));
    temporary = join(directory, "guestd-run-abcdef");
    work = join(directory, "work");
    mkdirSync(join(temporary, "some/tree"), { recursive: true });
    mkdirSync(work);
    janitor = spawn(...inPidNamespace(["/bin/sh", "-c", RUN, "run", script, temporary, work]), {
      stdio: ["pipe", "pipe", "inherit"],
      env: { PATH: process.env["PATH"] },
    });
  });

  /** The janitor's pid on this machine, once it waits for input and ignores signals. */
  async function janitorPid(): Promise<number> {
    const find = () => {
      const [run = "self"] = childrenOf(janitor.pid);
      const isWaiting = (pid: number) =>
        /^SigIgn:\s+[0-9a-f]*[4-7c-f][0-9a-f]{2}[37bf]$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      return childrenOf(run).find(isWaiting);
    };
    await expect.poll(find).toBeDefined();
    return find() ?? 0;
  }

  afterEach(() => {
    janitor.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  });

  test("does nothing while the run continues, even if it receives signals", async () => {
    const pid = await janitorPid();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(pid, signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(janitor.exitCode ?? janitor.signalCode).toBeNull();
    expect(existsSync(temporary)).toBe(true);
  });

  test("removes the temporary files of a run that has ended, then exits", async () => {
    janitor.stdin?.end("done\n");
    expect(await once(janitor, "exit")).toEqual([0, null]);
    expect(existsSync(temporary)).toBe(false);
  });

  test("removes what a killed run's processes still created, but nothing of a living run", async () => {
    const mine = join(work, "agent-1-abcdef");
    mkdirSync(mine);
    janitor.stdin?.end();
    await expect.poll(() => existsSync(temporary)).toBe(false);
    const late = join(work, `agent-${DEAD}-abcdef`);
    mkdirSync(join(late, "rootfs"), { recursive: true });
    mkdirSync(temporary);
    await expect.poll(() => existsSync(late) || existsSync(temporary)).toBe(false);
    expect(existsSync(mine)).toBe(true);
  });

  test.each(["killed", "done"])("kills a run's background process that is %s", async (how) => {
    const output: Buffer[] = [];
    janitor.stdout?.on("data", (data: Buffer) => output.push(data));
    janitor.stdin?.end(how === "done" ? "done\n" : "");
    expect(await once(janitor, "close")).toEqual([0, null]);
    expect(String(Buffer.concat(output))).toBe("other is left\nmine ended with 137\nmine ended with 137\n");
  });

  test("refuses a directory that no test run created", () => {
    const { status, stderr } = spawnSync("/bin/sh", [script, "", work], { encoding: "utf8", input: "done\n" });
    expect({ status, stderr }).toEqual({ status: 2, stderr: "janitor:  is not the directory of a test run\n" });
  });

  test("unmounts everything in the directory before it removes files", async () => {
    const precious = join(directory, "precious");
    mkdirSync(join(precious, "data"), { recursive: true });
    const enter = ["-m", "-t", String(await janitorPid())];
    spawnSync("nsenter", [...enter, "mount", "--bind", precious, join(temporary, "some/tree")]);
    janitor.stdin?.end("done\n");
    await once(janitor, "exit");
    expect(existsSync(temporary)).toBe(false);
    expect(existsSync(join(precious, "data"))).toBe(true);
  });
});
