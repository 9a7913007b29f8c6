import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeWithDevGuest, LIMIT, named } from "../namespaces/testing/dev-guest.ts";

const POLL = { interval: 200 };

describeWithDevGuest("guestctl with detached containers that a user ends", (dev) => {
  it("restart ends a running container first, and start leaves it as it is", async () => {
    expect(await dev.detach("web", [], "echo up; trap 'exit 0' TERM; while :; do sleep 0.05; done")).toEqual(
      named("web"),
    );
    await expect.poll(async () => (await dev.run("logs", "web")).stdout, POLL).toBe("up\n");
    expect(await dev.run("start", "web")).toEqual(named("web"));
    expect(await dev.run("restart", "web")).toEqual(named("web"));
    await expect.poll(async () => (await dev.run("logs", "web")).stdout, POLL).toBe("up\nup\n");
    expect((await dev.stateOf("web")).status).toBe("running");
    expect(await dev.run("stop", "web")).toEqual(named("web"));
    expect((await dev.stateOf("web")).status).toBe("exited");
    expect((await dev.run("rm", "web")).code).toBe(0);
  });

  it.each([["stop"], ["rm"]])("%s ends a container that always runs again, also between two runs", async (command) => {
    const name = `always-${command}`;
    expect(await dev.detach(name, ["--restart", "always"], "exit 1")).toEqual(named(name));
    await expect.poll(async () => (await dev.stateOf(name)).restarts, POLL).toBeGreaterThan(2);
    const [{ keeper }] = JSON.parse((await dev.run("inspect", name)).stdout);
    expect(await dev.run(command, name)).toEqual(named(name));
    await expect.poll(() => isRunning(keeper), POLL).toBe(false);
    if (command === "stop") expect((await dev.stateOf(name)).status).toBe("exited");
    await dev.run("rm", name);
    expect(dev.store.processes.list("dev")).toEqual([]);
  });

  it("a container that a user kills isn't run again", async () => {
    expect(await dev.detach("killed", ["--restart", "always"], "sleep 1000")).toEqual(named("killed"));
    expect((await dev.run("kill", "killed")).code).toBe(0);
    await expect.poll(() => dev.stateOf("killed"), POLL).toMatchObject({ status: "exited", exitCode: 137 });
    await dev.run("rm", "killed");
  });

  it("mounts memory by --mount, and reports in one line what can't be started", async () => {
    const script = "grep -c ' /mnt tmpfs .*size=1024k' /proc/mounts";
    const mount = "type=tmpfs,target=/mnt,tmpfs-size=1m";
    const ended = await dev.run(
      "run",
      "--guest",
      "dev",
      "--guest-root",
      ...LIMIT,
      "--mount",
      mount,
      "sh",
      "-c",
      script,
    );
    expect(ended).toEqual({ stdout: "1\n", stderr: "", code: 0 });
    expect(await dev.run("start", "none")).toEqual({
      stdout: "",
      stderr: "guestctl: container none: not found; no guest has a container\n",
      code: 1,
    });
    expect((await dev.run("run", "--restart", "sometimes", "i")).stderr).toBe(
      "guestctl: option '--restart <policy>' argument 'sometimes' is invalid. Expected no, always, on-failure or on-failure:COUNT.\n",
    );
  });
});

it("guestctl start runs a container again in a new guest, and --restart after its guest has died", async () => {
  using work = new DisposableStack();
  const directory = makeWorkDirectory("guestctl-restart");
  work.defer(() => rmSync(directory, { recursive: true, force: true }));
  const image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
  const run = (...args: string[]) => runGuestctl(directory, args);
  const wait = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done";
  const script = `cat /root/note 2>/dev/null; echo old >/root/note; ${wait}`;
  const ups = async () => (await run("logs", "again")).stdout.match(/^up$/gm)?.length;
  const line = ["run", "-d", "--name", "again", "--restart", "always", image, "sh", "-c", script];
  expect((await run(...line)).stdout).toBe("again\n");
  await expect.poll(ups, POLL).toBe(1);
  const inspected = async () => JSON.parse((await run("inspect", "again")).stdout)[0];
  const [{ control }] = JSON.parse((await run("inspect", "--type", "guest", "again")).stdout);
  process.kill(Number(readFileSync(join(dirname(control), "qemu.pid"), "utf8")), "SIGKILL");
  await expect.poll(async () => (await inspected()).state, POLL).toMatchObject({ status: "running", restarts: 1 });
  await expect.poll(ups, POLL).toBe(2);
  expect(await run("stop", "again")).toEqual({ stdout: "again\n", stderr: "", code: 0 });
  expect((await inspected()).state).toMatchObject({ status: "exited", exitCode: 7 });
  expect(await run("start", "again")).toEqual({ stdout: "again\n", stderr: "", code: 0 });
  await expect.poll(ups, POLL).toBe(3);
  expect((await run("exec", "again", "cat", "/root/note")).stdout).toBe("old\n");
  await run("stop", "again");
  // What it had written before it was stopped was there again.
  expect((await run("logs", "again")).stdout).toMatch(/^old$/m);
  expect((await run("rm", "again")).code).toBe(0);
  const left = readdirSync(join(directory, `guestd-${process.getuid?.() ?? 0}`));
  expect(left.filter((name) => !name.startsWith("."))).toEqual([]);
});

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
