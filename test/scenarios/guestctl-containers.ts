import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { startGuestctl } from "./guestctl-process.ts";

/** A guest that guestctl knows. */
export interface KnownGuest {
  readonly name: string;
  /** Environment in which guestctl finds its records. */
  readonly env: NodeJS.ProcessEnv;
  /** Words of `guestctl run` between its options and the command: the guest, and the container's root. */
  readonly where: readonly string[];
  /** Image of that root; empty for the guest's own. */
  readonly image: string;
}

/** Each poll runs a process. */
const POLL = { interval: 200 };

/** Registers what guestctl does with containers of any running guest. */
export function guestctlContainers(guest: () => KnownGuest): void {
  const start = (...args: string[]) => startGuestctl(args, { env: guest().env });
  const ended = async ({ output, ended }: ReturnType<typeof start>) => {
    const code = await ended;
    return { stdout: output.stdout.toString(), stderr: output.stderr, code };
  };
  const run = (...args: string[]) => {
    const running = start(...args);
    running.child.stdin?.end();
    return ended(running);
  };
  const container = (options: readonly string[], ...command: string[]) => [
    ...["run", ...options, ...guest().where],
    ...command,
  ];

  it("transfers a megabyte unchanged in both directions", async () => {
    const content = "0123456789abcde\n".repeat(65_536);
    const running = start(...container(["-i"], "cat"));
    running.child.stdin?.end(content);
    const { stdout, code } = await ended(running);
    expect(createHash("sha256").update(stdout).digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
    expect(code).toBe(0);
  });

  it("forwards a signal to the container", async () => {
    const trap = 'trap "echo got; exit 3" TERM; echo up; while :; do sleep 0.1; done';
    const running = start(...container([], "sh", "-c", trap));
    await running.prints("up\n");
    running.child.kill("SIGTERM");
    expect(await ended(running)).toEqual({ stdout: "up\ngot\n", stderr: "", code: 3 });
  });

  it("kills a container that ignores a signal at the second one", async () => {
    const running = start(...container([], "sh", "-c", 'trap "" TERM; echo up; while :; do sleep 1; done'));
    await running.prints("up\n");
    running.child.kill("SIGTERM");
    setTimeout(() => running.child.kill("SIGTERM"), 100);
    expect(await ended(running)).toMatchObject({ code: 137 });
  });

  it("keeps a detached container's exit code, output and name until rm", async () => {
    const { name, image } = guest();
    const job = (script: string, ...options: string[]) =>
      run(...container(["-d", "--name", "job", ...options], "sh", "-c", script));
    expect((await job("echo first; sleep 1; echo last; exit 3")).stdout).toBe("job\n");
    const following = run("logs", "-f", "job");
    expect(await run("wait", "job")).toEqual({ stdout: "3\n", stderr: "", code: 0 });
    expect((await following).stdout).toBe("first\nlast\n");
    expect((await run("ps")).stdout).not.toMatch(/job/);
    expect((await run("ps", "-a")).stdout).toMatch(new RegExp(`^${name} +job +init +exited \\(3\\) `, "m"));
    expect(JSON.parse((await run("inspect", "job")).stdout)).toMatchObject([
      { id: "job", guest: name, image, state: { status: "exited", exitCode: 3 } },
    ]);
    const taken = `container job: name already in use in guest ${name}; choose another, or guestctl rm job`;
    expect(await job("echo second")).toEqual({ stdout: "", stderr: `guestctl: ${taken}\n`, code: 125 });
    expect((await run("logs", "job")).stdout).toBe("first\nlast\n");
    expect((await run("exec", "job", "true")).stderr).toMatch(/not running; it ended with exit code 3/);
    expect((await run("rm", "job")).stdout).toBe("job\n");
    await job("echo second; sleep 1000", "--rm");
    await expect.poll(async () => (await run("logs", "job")).stdout, POLL).toBe("second\n");
    expect(await run("stop", "job")).toEqual({ stdout: "job\n", stderr: "", code: 0 });
    await expect.poll(async () => (await run("ps", "-a")).stdout, POLL).not.toMatch(/job/);
  }, 60_000);

  it("kills and removes containers", async () => {
    await run(...container(["-d", "--name", "short"], "sh", "-c", "echo up; sleep 1000"));
    const output = async () => (await run("logs", "short")).stdout;
    await expect.poll(output, POLL).toBe("up\n");
    await run(...container(["-d", "--name", "other"], "sleep", "1000"));
    expect(await run("kill", "short", "none", "other")).toEqual({
      stdout: "short\nother\n",
      stderr: expect.stringMatching(/^guestctl: container none: not found; .*\n$/),
      code: 1,
    });
    expect((await run("wait", "short", "other")).stdout).toBe("137\n137\n");
    expect(await run("rm", "short", "other")).toEqual({ stdout: "short\nother\n", stderr: "", code: 0 });
    expect((await run("ps", "-a")).stdout).not.toMatch(/other|short/);
  });
}
