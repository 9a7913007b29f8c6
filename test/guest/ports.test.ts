import { once } from "node:events";
import { copyFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { buildProbe } from "../scenarios/build-probe.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "./guest-machine.ts";

const LEVELS = ["TRCE", "DEBG", "INFO", "WARN", "ERRO", "CRIT"];

describe("the guest's other ports", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { kernelArgs: ["agent.default_seccomp=on"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it("the log port gives lines in the shape that hosts read, to one reader after the other, from the start", async () => {
    for (let reader = 0; reader < 2; reader++) {
      const socket = await dial(machine.guest.address(1025));
      const [data] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      const line = JSON.parse(data.toString().split("\n")[0] ?? "") as Record<string, unknown>;
      expect(line).toMatchObject({ msg: "listening", name: "guestd", source: "agent", subsystem: "agent" });
      expect(LEVELS).toContain(line["level"]);
      expect(line["ts"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    }
  });

  it("the debug console is a root shell of the guest on a pty", async () => {
    expect(await machine.shell("tty; id -u; cat /proc/1/comm")).toMatch(/^\/dev\/pts\/\d+\n0\ninit\n$/);
  });

  it("after a hang-up no shell is left", async () => {
    await machine.shell("true");
    await expect.poll(() => machine.shell("pidof sh | wc -w"), { timeout: 10_000 }).toBe("1\n");
  });

  it("agent.default_seccomp=on gives a container and its execs a filter, which denies AF_VSOCK", async () => {
    const pod = await Pod.open(machine, await machine.connect());
    const path = machine.rootfs("default-seccomp");
    copyFileSync(buildProbe(), `${machine.hostPath(path)}/bin/probe`);
    const id = await pod.start(["sleep", "1000"], { Root: { Path: path } });
    const exec = async (...args: string[]) => (await pod.execute(id, args)).stdout.toString();
    expect(await exec("grep", "Seccomp:", "/proc/1/status", "/proc/self/status")).toMatch(/1\/.*\t2\n.*self.*\t2\n$/);
    expect(await exec("probe", "socket,40,1", "socket,2,1", "umask")).toBe("socket 1\nsocket ok\numask ok\n");
    await pod.remove(id);
    pod.client.close();
  });

  it("DestroySandbox powers the guest off, and QEMU ends by itself", async () => {
    const client = await machine.connect();
    await machine.guest.powerOff(() => client.agent.destroySandbox({}));
    expect(machine.guest.pids).toEqual([]);
  });
});
