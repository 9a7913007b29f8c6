import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const MEGABYTE_SUM = createHash("sha256")
  .update(Buffer.alloc(1 << 20, "0123456789abcde\n"))
  .digest("hex");
const MEGABYTE = "yes 0123456789abcde | head -n 65536";

/** Scenarios of data that passes between a host and a container, over the protocol that the pod's client speaks. */
export function hostDataScenarios(pod: () => Pod): void {
  it("a host reads 1 MiB of a container's stdout unchanged, compared by hash", async () => {
    const { stdout, status } = await pod().run(["sh", "-c", MEGABYTE]);
    expect([stdout.length, createHash("sha256").update(stdout).digest("hex"), status]).toEqual([
      1 << 20,
      MEGABYTE_SUM,
      0,
    ]);
  });

  it("a container reads and writes the rootfs that the host shares", async () => {
    const { machine } = pod();
    const rootfs = machine.rootfs(`rw-${Date.now().toString(36)}`);
    writeFileSync(`${machine.hostPath(rootfs)}/from-host`, "host wrote this\n");
    const id = await pod().create(["sh", "-c", "cat /from-host; echo guest wrote this > /from-guest"], {}, rootfs);
    await pod().client.agent.startContainer({ container_id: id });
    expect((await pod().finish(id, id)).stdout.toString()).toBe("host wrote this\n");
    expect(readFileSync(`${machine.hostPath(rootfs)}/from-guest`, "utf8")).toBe("guest wrote this\n");
    await pod().remove(id);
  });
}

/** Scenarios of an ordinary host's calls on the containers of another runtime; the conformance suite has those of the built-in one. */
export function containerScenarios(pod: () => Pod): void {
  hostDataScenarios(pod);

  it("stdout and stderr stay separate, and the container can open and write to /dev/stdout", async () => {
    const { stdout, stderr } = await pod().run(["sh", "-c", "echo a > /dev/stdout; echo b > /dev/stderr"]);
    expect(stdout.toString()).toBe("a\n");
    expect(stderr.toString()).toBe("b\n");
  });

  it("stdin ends with CloseStdin, and with a WriteStdin without data", async () => {
    const { agent } = pod().client;
    for (const end of ["close", "empty"]) {
      const container_id = await pod().start(["sh", "-c", "cat; echo done"]);
      await agent.writeStdin({ container_id, exec_id: container_id, data: Buffer.from("line\n") });
      if (end === "close") await agent.closeStdin({ container_id, exec_id: container_id });
      else await agent.writeStdin({ container_id, exec_id: "" });
      const { stdout, status } = await pod().finish(container_id, "");
      expect([stdout.toString(), status]).toEqual(["line\ndone\n", 0]);
      await pod().remove(container_id);
    }
  });

  it.each([0, 42])("WaitProcess returns the exit code %i", async (code) => {
    expect((await pod().run(["sh", "-c", `exit ${code}`])).status).toBe(code);
  });

  it("WaitProcess returns 137 for a container that was killed", async () => {
    const id = await pod().start(["sleep", "1000"]);
    await pod().client.agent.signalProcess({ container_id: id, exec_id: "", signal: 9 });
    expect((await pod().finish(id, id)).status).toBe(137);
    await pod().remove(id);
  });

  it("SIGTERM ends a container whose init has no handler for it", async () => {
    const id = await pod().start(["sleep", "1000"]);
    await pod().client.agent.signalProcess({ container_id: id, exec_id: id, signal: 15 });
    expect((await pod().finish(id, id)).status).toBe(137);
    await pod().remove(id);
  });

  it("SIGTERM reaches a container's init that handles it", async () => {
    const id = await pod().start(["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"]);
    await pod().client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
    await pod().client.agent.signalProcess({ container_id: id, exec_id: "", signal: 15 });
    expect((await pod().finish(id, id)).status).toBe(9);
    await pod().remove(id);
  });

  it("CreateContainer and ExecProcess fail at once if the executable is missing", async () => {
    await expect(pod().create(["/bin/nope"])).rejects.toThrow(pod().runtime.missing);
    const id = await pod().start(["sleep", "1000"]);
    await expect(pod().exec(id, ["nope"])).rejects.toThrow(pod().runtime.missing);
    await expect(pod().exec(id, ["sh"], { Cwd: "/nowhere" })).rejects.toThrow(pod().runtime.noDirectory);
    await pod().remove(id);
  });

  it("execs have the container's capabilities, and their own user and exit code", async () => {
    const id = await pod().start(["sleep", "1000"]);
    const caps = await pod().execute(id, ["sh", "-c", "grep -E 'CapEff|CapBnd' /proc/self/status; exit 7"]);
    expect(caps.stdout.toString()).toBe("CapEff:\t00000000000400eb\nCapBnd:\t00000000000400eb\n");
    expect(caps.status).toBe(7);
    const user = await pod().execute(id, ["sh", "-c", "id -u; id -g; echo $HOME; echo x > /dev/stdout"], {
      User: { UID: 1000, GID: 100 },
    });
    expect([user.stdout.toString(), user.stderr.toString()]).toEqual(["1000\n100\n/home/ann\nx\n", ""]);
    await pod().remove(id);
  });

  it("an exec's terminal has the size that the host sets: 30×100, then 50×132, as stty shows", async () => {
    const { agent } = pod().client;
    const id = await pod().start(["sleep", "1000"]);
    const script = "tty; stty size; read x; stty size";
    const exec_id = await pod().exec(id, ["sh", "-c", `read x; ${script}`], { Terminal: true });
    await agent.ttyWinResize({ container_id: id, exec_id, row: 30, column: 100 });
    await agent.writeStdin({ container_id: id, exec_id, data: Buffer.from("\n") });
    let text = "";
    while (!text.includes("30 100")) {
      text += Buffer.from((await agent.readStdout({ container_id: id, exec_id, len: 8192 })).data).toString();
    }
    await agent.ttyWinResize({ container_id: id, exec_id, row: 50, column: 132 });
    await agent.writeStdin({ container_id: id, exec_id, data: Buffer.from("\n") });
    text += (await pod().drain("readStdout", id, exec_id, 8192)).toString();
    expect(text).toMatch(/\/dev\/pts\/\d+\r\n30 100\r\n[\s\S]*50 132\r\n/);
    expect((await agent.waitProcess({ container_id: id, exec_id })).status).toBe(0);
    await expect(agent.ttyWinResize({ container_id: id, exec_id: id, row: 1, column: 1 })).rejects.toThrow("no tty");
    await pod().remove(id);
  });

  it("a container with a terminal has a console with the spec's consoleSize", async () => {
    const spec = { Terminal: true, ConsoleSize: { Height: 33, Width: 77 } };
    const { Process } = ociSpec("/", ["sh", "-c", "tty; stty size; ls -l /dev/console"]);
    const id = await pod().start([], { Process: { ...Process, ...spec } });
    const stdout = await pod().drain("readStdout", id, id);
    expect(stdout.toString()).toMatch(/\/dev\/pts\/0\r\n33 77\r\ncrw[\s\S]*\/dev\/console/);
    await pod().remove(id);
  });

  it("a container ignores a host's AppArmor profile and refuses an SELinux label", async () => {
    const { Process } = ociSpec("/", ["sleep", "1000"]);
    const ApparmorProfile = "cri-containerd.apparmor.d";
    const id = await pod().start([], { Process: { ...Process, ApparmorProfile } });
    const exec = await pod().execute(id, ["echo", "here"], { ApparmorProfile });
    expect(exec.stdout.toString()).toBe("here\n");
    await pod().remove(id);
    const labelled = pod().create([], { Process: { ...Process, SelinuxLabel: "u:r:t:s0" } });
    await expect(labelled).rejects.toThrow('OCI spec: process.selinuxLabel "u:r:t:s0" needs SELinux');
  });

  it("containers of a pod have separate pid namespaces and share ipc and uts", async () => {
    const ids = [await pod().start(["sleep", "1000"]), await pod().start(["sleep", "1000"])];
    const links = await Promise.all(
      ids.map(async (id) => {
        const { stdout } = await pod().execute(id, [
          "sh",
          "-c",
          "for n in pid ipc uts; do readlink /proc/1/ns/$n; done; hostname",
        ]);
        return stdout.toString().trim().split("\n");
      }),
    );
    const [first = [], second = []] = links;
    expect(first[0]).not.toBe(second[0]);
    expect(first.slice(1)).toEqual(second.slice(1));
    expect(first[3]).toBe("pod-host");
    for (const id of ids) await pod().remove(id);
  });

  it("a read ends when the process has ended, even if a grandchild keeps the pipe open", async () => {
    const id = await pod().start(["sleep", "1000"]);
    const { stdout, status } = await pod().execute(id, ["sh", "-c", "sleep 1000 & echo out; exit 3"]);
    expect([stdout.toString(), status]).toEqual(["out\n", 3]);
    await pod().remove(id);
  });

  it("every waiter gets the same status", async () => {
    const id = await pod().start(["sh", "-c", "sleep 0.2; exit 5"]);
    const wait = () => pod().client.agent.waitProcess({ container_id: id, exec_id: "" });
    expect((await Promise.all([wait(), wait(), wait()])).map(({ status }) => status)).toEqual([5, 5, 5]);
    await pod().remove(id);
  });

  it("a read that reaches its deadline fails, and the process keeps running", async () => {
    const id = await pod().start(["sh", "-c", "sleep 0.5; echo late"]);
    const read = pod().client.agent.readStdout({ container_id: id, exec_id: id, len: 10 }, { timeoutMs: 100 });
    await expect(read).rejects.toMatchObject({ kind: "deadline-exceeded" });
    expect((await pod().finish(id, id)).stdout.toString()).toBe("late\n");
    await pod().remove(id);
  });
}
