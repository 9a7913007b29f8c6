import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { StateStore } from "../../host/engine/record/state-store.ts";
import type { GuestNode } from "../../host/engine/tree/view-tree.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { launcher, startGuestctl } from "../scenarios/guestctl-process.ts";
import { Pod } from "../scenarios/pod.ts";
import { TerminalScreen, whyNoScreen } from "../scenarios/terminal-screen.ts";

describe("guestctl top in a guest", () => {
  let directory: string;

  const env = () => ({ XDG_RUNTIME_DIR: directory });
  const run = async (...args: string[]) => {
    const { ended, output } = startGuestctl(args, { env: env() });
    return { code: await ended, stdout: output.stdout.toString(), stderr: output.stderr };
  };
  const snapshot = async (): Promise<readonly GuestNode[]> => JSON.parse((await run("top", "--once", "--json")).stdout);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "top-"));
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const script = "dd if=/dev/zero of=/dev/shm/file bs=1M count=8; while :; do :; done";
    expect((await run("boot", "-d", "--name", "kept")).stderr).toBe("");
    const started = await run(
      "run",
      "-d",
      "-g",
      "kept",
      "--name",
      "busy",
      "--memory",
      "32m",
      image,
      "sh",
      "-c",
      script,
    );
    expect(started).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await run("stop", "kept");
    rmSync(directory, { recursive: true, force: true });
  });

  it("shows processor time, memory with its limit, tasks and pressure of a container, and the agent's restart", async () => {
    const [guest] = await snapshot();
    const [busy] = guest?.containers ?? [];
    expect(guest).toMatchObject({ name: "kept", link: "live", agentRestarts: 0, usage: { cpu: expect.any(Number) } });
    expect(busy).toMatchObject({ id: "busy", state: "running", usage: { memoryLimit: 32 * 2 ** 20, pids: 1 } });
    expect(busy?.image).toMatch(/busybox/);
    expect(busy?.usage.memory).toBeGreaterThan(8 * 2 ** 20);
    expect(busy?.usage.cpu).toBeGreaterThan(0.2);
    expect(Object.keys(busy?.usage.pressure ?? {}).sort()).toEqual(["cpu", "io", "ioFull", "memory", "memoryFull"]);
    expect(busy?.processes[0]).toMatchObject({ exec: "", state: "running", command: ["sh", "-c", expect.any(String)] });
    expect(await run("agent", "kill")).toMatchObject({ code: 0 });
    expect((await snapshot())[0]).toMatchObject({ link: "live", agentRestarts: 1 });
  });

  const when = whyNoScreen === undefined ? "" : `, skipped: ${whyNoScreen}`;
  it.skipIf(whyNoScreen !== undefined)(`opens a shell in a container, and kills it after y${when}`, async () => {
    const screen = new TerminalScreen({ directory, env: env() });
    onTestFinished(() => screen[Symbol.dispose]());
    screen.run(`'${process.execPath}' '${launcher}' top`);
    await screen.shows(/- busy .*running/);
    screen.press("Down");
    await screen.shows(/\n> +- busy/);
    screen.type("s");
    await screen.shows(/\/ #$/m);
    screen.run("echo in $(hostname) $((6 * 7)); exit");
    await screen.shows(/> +- busy .*running/);
    screen.type("k");
    await screen.shows(/kill container busy\? y\/n/);
    screen.type("y");
    await screen.shows(/0 containers|busy .*exit 137/);
    screen.type("q");
    await screen.shows(/42\n[\s\S]*prompt>$/m);
  });
});

describeInNamespaces("guestctl top at an agent without guestd.v1.Streams", () => {
  it("polls the containers that the state store knows", async () => {
    await using machine = await startHostAgent({ config: "streams_port = 0" });
    const pod = await Pod.open(machine);
    const id = await pod.start(["sh", "-c", "while :; do :; done"]);
    const XDG_RUNTIME_DIR = join(machine.directory, "run");
    mkdirSync(XDG_RUNTIME_DIR, { mode: 0o700 });
    const store = new StateStore(join(XDG_RUNTIME_DIR, `guestd-${process.geteuid?.()}`));
    const { address, directory: folder } = machine;
    const now = new Date().toISOString();
    const size = { memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
    store.claim("other");
    store.writeGuest({
      name: "other",
      address,
      logAddress: address,
      folder,
      accelerator: "tcg",
      ...size,
      bootedAt: now,
    });
    const command = { args: ["sh"], image: "busybox", terminal: false, rootfs: "/", env: [], cwd: "/", user: "" };
    store.processes.write("other", { container: id, exec: id, startedAt: now, ...command });
    const top = startGuestctl(["top", "--once", "--json", "-i", "500ms"], { env: { XDG_RUNTIME_DIR } });
    expect([await top.ended, top.output.stderr]).toEqual([0, ""]);
    const [guest]: readonly GuestNode[] = JSON.parse(top.output.stdout.toString());
    expect(guest).toMatchObject({
      name: "other",
      link: "polled",
      containers: [{ id, image: "busybox", state: "running" }],
    });
    expect(guest?.containers[0]?.usage.cpu).toBeGreaterThan(0.05);
    store.removeGuest("other");
    await pod.client.close();
  });
});
