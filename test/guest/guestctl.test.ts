import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBusyboxImage } from "../../host/image/make-image.ts";

const guestctl = join(import.meta.dirname, "../../host/cli/guestctl.ts");
let directory: string;
let image: string;

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

function start(...args: string[]): ChildProcess {
  const env = { ...process.env, XDG_RUNTIME_DIR: directory, NO_COLOR: "1" };
  return spawn(process.execPath, [guestctl, ...args], { env, stdio: "pipe" });
}

async function end(child: ChildProcess): Promise<Ended> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("no pipes");
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, error] = await Promise.all([text(stdout), text(stderr)]);
  return { stdout: out, stderr: error, code: await code };
}

function run(args: readonly string[], input?: string): Promise<Ended> {
  const child = start(...args);
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return end(child);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestctl-"));
  image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it("runs a container in a guest of its own, and leaves nothing", async () => {
  const script = "id -un; pwd; echo $NAME; cat; echo oops >&2; exit 42";
  const line = ["run", "-i", "-e", "NAME=value", "-w", "/tmp", "-u", "nobody", "--memory", "64m", image];
  const ended = await run([...line, "sh", "-c", script], "from stdin\n");
  expect(ended).toEqual({ stdout: "nobody\n/tmp\nvalue\nfrom stdin\n", stderr: "oops\n", code: 42 });
  expect(readdirSync(join(directory, `guestd-${process.getuid?.() ?? 0}`))).toEqual([]);
});

it("tells in one line why a container could not be run", async () => {
  const missing = await run(["run", join(directory, "none.tar")]);
  expect(missing.stderr).toMatch(/^guestctl: read image .*none\.tar: ENOENT.*\n$/);
  expect(missing.code).toBe(1);
});

describe("in a guest that is kept", () => {
  beforeAll(async () => {
    const booted = await run(["boot", "--detach", "--name", "kept"]);
    expect(booted.stderr).toBe("");
    expect(booted.stdout).toMatch(/^kept {2}h?vsock:.*\nQEMU 0 → kernel [\d.]+ → init .* → first answer [\d.]+ s\n$/);
    expect((await run(["run", "-d", "-g", "kept", "--name", "web", image, "sleep", "1000"])).stdout).toBe("web\n");
  });
  afterAll(async () => {
    expect(await run(["stop", "kept"])).toEqual({ stdout: "kept\n", stderr: "", code: 0 });
    expect((await run(["ps"])).stdout.split("\n")).toHaveLength(2);
  });

  it("brings a megabyte through unharmed, both ways", async () => {
    const content = "0123456789abcde\n".repeat(65_536);
    const { stdout, code } = await run(["run", "-i", "-g", "kept", image, "cat"], content);
    expect(createHash("sha256").update(stdout).digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
    expect(code).toBe(0);
  });

  it("runs commands in a container, and passes their exit codes on", async () => {
    expect(await run(["exec", "web", "sh", "-c", "hostname; exit 5"])).toMatchObject({ stdout: "kept\n", code: 5 });
    expect(await run(["exec", "we", "sh", "-c", "kill -9 $$"])).toMatchObject({ code: 137 });
    const { stderr, code } = await run(["exec", "web", "nope"]);
    expect(stderr).toMatch(/^guestctl: .*"nope": executable file not found in \$PATH.*\n$/);
    expect(code).toBe(1);
  });

  it("gives an exec a terminal of the usual size where we have none", async () => {
    const { stdout } = await run(["exec", "-it", "web", "sh", "-c", "stty size; tty"]);
    expect(stdout).toBe("24 80\r\n/dev/pts/0\r\n");
  });

  it("hands a signal on to the container", async () => {
    const trap = 'trap "echo got; exit 3" TERM; echo up; while :; do sleep 0.1; done';
    const child = start("run", "-g", "kept", image, "sh", "-c", trap);
    child.stdout?.once("data", () => child.kill("SIGTERM"));
    expect(await end(child)).toEqual({ stdout: "up\ngot\n", stderr: "", code: 3 });
  });

  it("ends a container whose output nobody reads any more", async () => {
    const child = start("run", "-g", "kept", image, "yes");
    child.stdout?.once("data", () => child.stdout?.destroy());
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(137);
  });

  it("shows what runs and what it uses", async () => {
    expect((await run(["ps"])).stdout).toMatch(/^kept +web +init +running +1 .* sleep 1000$/m);
    expect((await run(["stats", "web"])).stdout).toMatch(/^memory +.*limit none.*\n[\s\S]*^tasks +1 /m);
    expect((await run(["metrics", "--grep", "^guestd_agent_restarts"])).stdout).toBe("guestd_agent_restarts 0\n");
    expect((await run(["logs"])).stdout).toMatch(/INFO listening /);
    expect((await run(["logs", "--console"])).stdout).toContain("guestd: listening");
  });

  it("copies files into a container", async () => {
    expect(await run(["cp", guestctl, import.meta.dirname, "web:/tmp/"])).toEqual({ stdout: "", stderr: "", code: 0 });
    expect(await run(["cp", guestctl, "web:/tmp/renamed"])).toMatchObject({ stderr: "", code: 0 });
    const { stdout } = await run(["exec", "web", "ls", "/tmp", "/tmp/guest/guestctl.test.ts"]);
    expect(stdout).toBe("/tmp/guest/guestctl.test.ts\n\n/tmp:\nguest\nguestctl.ts\nrenamed\n");
    const { stderr, code } = await run(["cp", "/dev/null", "web:/tmp/"]);
    expect([stderr, code]).toEqual(["guestctl: send /dev/null: neither a file, a directory nor a link\n", 1]);
  });

  it("has the agent that was built take over, and the image's again, over a running container", async () => {
    const archive = join(import.meta.dirname, "../../build/agent/agent.cpio");
    const { stdout } = await run(["upgrade", archive]);
    const [, bundle = ""] = /^0\.1\.0 \(the image's own\) → 0\.1\.0 \(([0-9a-f]{12})\)\n$/.exec(stdout) ?? [];
    expect((await run(["logs"])).stdout).toMatch(new RegExp(`listening .*${bundle}`));
    // The code caches of the archive are of this Node and bundle.
    expect((await run(["logs", "--console"])).stdout).not.toContain("launcher: ");
    expect(await run(["exec", "web", "echo", "still here"])).toMatchObject({ stdout: "still here\n", code: 0 });
    const back = await run(["upgrade", "--image"]);
    expect(back).toEqual({ stdout: `0.1.0 (${bundle}) → 0.1.0 (the image's own)\n`, stderr: "", code: 0 });
  });

  it("kills and removes containers", async () => {
    await run(["run", "-d", "-g", "kept", "--name", "short", image, "sh", "-c", "echo up; sleep 1000"]);
    const output = async () => (await run(["logs", "short"])).stdout;
    await expect.poll(output, { interval: 200 }).toBe("up\n");
    expect(await run(["kill", "short"])).toEqual({ stdout: "", stderr: "", code: 0 });
    await run(["run", "-d", "-g", "kept", "--name", "other", image, "sleep", "1000"]);
    expect(await run(["rm", "other"])).toEqual({ stdout: "", stderr: "", code: 0 });
    expect((await run(["ps"])).stdout).not.toMatch(/other/);
  });
});
