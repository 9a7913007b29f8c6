import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { GuestRecord } from "../../host/cli/state/state-records.ts";
import { StateStore } from "../../host/cli/state/state-store.ts";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const POLL = { interval: 200 };
/** The machine's own limit may be below guestctl's usual one, and only a guest can raise it. */
const LIMIT = ["--ulimit", "nofile=1024"];

describeInNamespaces("guestctl with detached containers of a guest", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let store: StateStore;

  beforeAll(async () => {
    machine = await startHostAgent();
    const folder = join(machine.directory, "share");
    mkdirSync(join(folder, "shared"), { recursive: true, mode: 0o700 });
    store = new StateStore(join(machine.directory, `guestd-${process.geteuid?.()}`));
    store.claim("dev");
    const place = { address: machine.address, logAddress: machine.address, folder };
    const size = { accelerator: "none", memoryMib: 512, cpus: 1, timeline: { listening: 0, check: 0 } };
    store.writeGuest({ name: "dev", ...place, ...size, bootedAt: new Date().toISOString() } satisfies GuestRecord);
    await using client = await machine.connect({});
    await client.agent.createSandbox({ sandbox_id: "dev", hostname: "dev" });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  const run = (...args: string[]) => runGuestctl(machine.directory, args);
  const detach = (name: string, options: readonly string[], script: string) =>
    run("run", "-d", "--guest", "dev", "--guest-root", ...LIMIT, "--name", name, ...options, "sh", "-c", script);
  const stateOf = async (name: string) => JSON.parse((await run("inspect", name)).stdout)[0].state;
  const named = (name: string) => ({ stdout: `${name}\n`, stderr: "", code: 0 });

  it("start runs an ended container again with its options, and its log continues", async () => {
    expect(await detach("job", ["-e", "NAME=value"], "echo $NAME; exit 3")).toEqual(named("job"));
    expect((await run("wait", "job")).stdout).toBe("3\n");
    await expect.poll(async () => (await stateOf("job")).status, POLL).toBe("exited");
    expect(await run("start", "job")).toEqual(named("job"));
    await expect.poll(async () => (await run("logs", "job")).stdout, POLL).toBe("value\nvalue\n");
    await expect.poll(async () => await stateOf("job"), POLL).toMatchObject({ status: "exited", exitCode: 3 });
    expect((await run("rm", "job")).code).toBe(0);
  });

  it("restart ends a running container first, and start leaves it as it is", async () => {
    expect(await detach("web", [], "echo up; trap 'exit 0' TERM; while :; do sleep 0.05; done")).toEqual(named("web"));
    await expect.poll(async () => (await run("logs", "web")).stdout, POLL).toBe("up\n");
    expect(await run("start", "web")).toEqual(named("web"));
    expect(await run("restart", "web")).toEqual(named("web"));
    await expect.poll(async () => (await run("logs", "web")).stdout, POLL).toBe("up\nup\n");
    expect((await stateOf("web")).status).toBe("running");
    expect(await run("stop", "web")).toEqual(named("web"));
    expect((await stateOf("web")).status).toBe("exited");
    expect((await run("rm", "web")).code).toBe(0);
  });

  it("on-failure:2 runs a failing container three times, and one that succeeds once", async () => {
    expect(await detach("failing", ["--restart", "on-failure:2"], "echo run; exit 5")).toEqual(named("failing"));
    const ended = { status: "exited", exitCode: 5, restarts: 2 };
    await expect.poll(() => stateOf("failing"), POLL).toMatchObject(ended);
    expect((await run("logs", "failing")).stdout).toBe("run\nrun\nrun\n");
    expect(await detach("fine", ["--restart", "on-failure"], "true")).toEqual(named("fine"));
    await expect.poll(() => stateOf("fine"), POLL).toMatchObject({ status: "exited", exitCode: 0, restarts: 0 });
    expect((await run("rm", "failing", "fine")).code).toBe(0);
  });

  it.each([["stop"], ["rm"]])("%s ends a container that always runs again, also between two runs", async (command) => {
    const name = `always-${command}`;
    expect(await detach(name, ["--restart", "always"], "exit 1")).toEqual(named(name));
    await expect.poll(async () => (await stateOf(name)).restarts, POLL).toBeGreaterThan(2);
    const [{ keeper }] = JSON.parse((await run("inspect", name)).stdout);
    expect(await run(command, name)).toEqual(named(name));
    await expect.poll(() => isRunning(keeper), POLL).toBe(false);
    if (command === "stop") expect((await stateOf(name)).status).toBe("exited");
    await run("rm", name);
    expect(store.processes.list("dev")).toEqual([]);
  });

  it("a container that a user kills isn't run again", async () => {
    expect(await detach("killed", ["--restart", "always"], "sleep 1000")).toEqual(named("killed"));
    expect((await run("kill", "killed")).code).toBe(0);
    await expect.poll(() => stateOf("killed"), POLL).toMatchObject({ status: "exited", exitCode: 137 });
    await run("rm", "killed");
  });

  it("mounts memory by --mount, and reports in one line what can't be started", async () => {
    const script = "grep -c ' /mnt tmpfs .*size=1024k' /proc/mounts";
    const mount = "type=tmpfs,target=/mnt,tmpfs-size=1m";
    const ended = await run("run", "--guest", "dev", "--guest-root", ...LIMIT, "--mount", mount, "sh", "-c", script);
    expect(ended).toEqual({ stdout: "1\n", stderr: "", code: 0 });
    expect(await run("start", "none")).toEqual({
      stdout: "",
      stderr: "guestctl: container none: not found; no guest has a container\n",
      code: 1,
    });
    expect((await run("run", "--restart", "sometimes", "i")).stderr).toBe(
      "guestctl: option '--restart <policy>' argument 'sometimes' is invalid. Expected no, always, on-failure or on-failure:COUNT.\n",
    );
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
