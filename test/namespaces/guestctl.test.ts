import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const guestctl = join(import.meta.dirname, "../../host/cli/launch.cjs");
describeInNamespaces("guestctl with an agent at an address", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let rootfs: string;

  beforeAll(async () => {
    machine = await startHostAgent();
    rootfs = machine.rootfs("rootfs");
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  /** Runs a guestctl command with this agent to its end. */
  async function run(command: string, args: readonly string[], input = "") {
    const line = [guestctl, command, "--address", machine.address, ...args];
    const child = spawn(process.execPath, line, { stdio: "pipe" });
    const ended = once(child, "close");
    child.stdin.end(input);
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = await ended;
    return { stdout, stderr, code };
  }

  it("runs a container from a root file system that the agent has", async () => {
    const script = "cat; id -u; echo oops >&2; exit 3";
    const ended = await run("run", ["-i", "-u", "7", "--rootfs", rootfs, "sh", "-c", script], "in\n");
    expect(ended).toEqual({ stdout: "in\n7\n", stderr: "oops\n", code: 3 });
  });

  it("runs commands in another client's container, reports what it uses, and ends it", async () => {
    const running = run("run", ["--name", "web", "--rootfs", rootfs, "sh", "-c", "echo up; sleep 1000"]);
    await expect.poll(async () => (await run("exec", ["web", "ps"])).stdout).toMatch(/1 root +(sh|sleep)/);
    expect(await run("exec", ["web", "sh", "-c", "exit 4"])).toEqual({ stdout: "", stderr: "", code: 4 });
    expect((await run("stats", ["web"])).stdout).toMatch(/^cpu time +[\d.]+ s/);
    expect((await run("explain", ["web"])).stdout).toMatch(
      /\n\d+ µs +pivot [\s\S]*\n- +execve +sh -c "echo up; sleep 1000" +process\.args\n$/,
    );
    expect((await run("metrics", ["--grep", "restarts"])).stdout).toBe("guestd_agent_restarts 0\n");
    expect(await run("kill", ["web"])).toEqual({ stdout: "web\n", stderr: "", code: 0 });
    expect(await running).toEqual({ stdout: "up\n", stderr: "", code: 137 });
  });

  it("copies files both ways, and archives over stdin and stdout", async () => {
    const running = run("run", ["--name", "store", "--rootfs", rootfs, "sleep", "1000"]);
    const copied = join(machine.directory, "copied");
    await expect.poll(async () => (await run("cp", [guestctl, "store:/kept"])).code).toBe(0);
    expect(await run("cp", ["store:/kept", copied])).toEqual({ stdout: "", stderr: "", code: 0 });
    expect(readFileSync(copied)).toEqual(readFileSync(guestctl));
    const { stdout: archive } = await run("cp", ["store:/etc", "-"]);
    await run("exec", ["store", "mkdir", "/from-tar"]);
    expect(await run("cp", ["-", "store:/from-tar"], archive)).toEqual({ stdout: "", stderr: "", code: 0 });
    expect((await run("exec", ["store", "cat", "/from-tar/etc/passwd"])).stdout).toMatch(/^root:x:0:0/);
    expect((await run("export", ["-o", `${copied}.tar`, "store"])).code).toBe(0);
    const exported = execFileSync("tar", ["-tf", `${copied}.tar`], { encoding: "utf8" }).split("\n");
    expect(exported).toEqual(expect.arrayContaining(["bin/busybox", "etc/passwd", "kept"]));
    expect(exported.filter((name) => /^(\/|\.\/|\.\.|(proc|sys)\/.)/.test(name))).toEqual([]);
    const none = await run("cp", ["store:/none", copied]);
    expect(none).toMatchObject({
      stderr: expect.stringMatching(/^guestctl: copy out of container store: \/none: .*ENOENT.*\n$/),
      code: 1,
    });
    expect((await run("cp", ["one", "two"])).stderr).toMatch(/exactly one side must be CONTAINER:PATH/);
    await run("kill", ["store"]);
    await running;
  });

  it("reports that another client removed its container", async () => {
    const running = run("run", ["--name", "gone", "--rootfs", rootfs, "sleep", "1000"]);
    const remove = async () => (await run("rm", ["gone"])).code;
    await expect.poll(remove).toBe(0);
    expect(await running).toEqual({
      stdout: "",
      stderr: "guestctl: container gone: another command removed it\n",
      code: 137,
    });
  });

  it("prints one line if a container or root file system doesn't exist", async () => {
    expect((await run("stats", ["none"])).stderr).toBe(
      'guestctl: invalid container id: there is no container "none"\n',
    );
    expect((await run("run", ["--rootfs", "/none", "ls"])).stderr).toMatch(/^guestctl: .*\/none.*\n$/);
  });
});
