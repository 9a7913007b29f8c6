import { execFileSync } from "node:child_process";
import { chownSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const pause = join(import.meta.dirname, "../../build/native/pause");

describeInNamespaces("guestctl debug", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let tools: string;
  let names = 0;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    tools = machine.rootfs("tools");
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  /** Starts a container whose root has one static program and nothing else. */
  async function startDistroless(linux: object = {}) {
    const root = join(machine.directory, `distroless-${++names}`);
    mkdirSync(join(root, "app"), { recursive: true });
    cpSync(pause, join(root, "app/pause"));
    if ("UIDMappings" in linux) chownSync(root, 100_000, 100_000);
    const spec = ociSpec(root, ["/app/pause"]);
    // More than the debug container has: only the capability to trace opens its memory.
    const all = [...(spec.Process?.Capabilities?.Permitted ?? []), "CAP_SYS_ADMIN"];
    const Capabilities = { Bounding: all, Effective: all, Permitted: all };
    const process = { ...spec.Process, Capabilities, Env: ["SECRET=of the app"] };
    const id = await pod.create([], { Process: process, Linux: { ...spec.Linux, ...linux } }, root);
    await pod.client.agent.startContainer({ container_id: id });
    return { id, root };
  }

  function debug(id: string, command: readonly string[], ...flags: string[]) {
    const line = ["debug", "--address", machine.address, "--rootfs", tools, ...flags, id, "--", ...command];
    return startGuestctl(line);
  }

  async function output(id: string, script: string, ...flags: string[]) {
    const running = debug(id, ["sh", "-c", script], ...flags);
    const code = await running.ended;
    return { code, stdout: running.output.stdout.toString(), stderr: running.output.stderr };
  }

  /** Lists all files with the times of their last changes. */
  const filesOf = (root: string) =>
    readdirSync(root, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => [name, statSync(join(root, name)).ctimeMs]);

  /** Counts processes other than init and its file servers, which wait a second for their next use. */
  const COUNT = "n=0; for p in /proc/[0-9]*; do [ $p/exe -ef /proc/1/exe ] || n=$((n + 1)); done; echo $n";

  const left = async () => ({
    mounts: await machine.shell("cat /proc/self/mounts"),
    cgroups: await machine.shell("find /sys/fs/cgroup -name cgroup.procs | wc -l"),
    processes: await machine.shell(COUNT),
  });

  describe("of a container with one static program and no shell", () => {
    it("shows its processes, environment, files and names, and leaves it unchanged", async () => {
      const { id, root } = await startDistroless();
      const before = { files: filesOf(root), left: await left() };
      const script = [
        "ps -o pid,args | grep -v ps",
        "tr '\\0' '\\n' </proc/1/environ",
        "ls -l /proc/1/exe | sed 's/.*-> //'",
        "ls /target /target/app",
        "hostname",
        ": </proc/1/mem && echo traced",
        "for ns in pid ipc uts net; do [ /proc/1/ns/$ns -ef /proc/self/ns/$ns ] || echo own $ns; done",
        "touch /target/new; echo x >/target/app/pause",
        "exit 3",
      ].join("; ");
      const { code, stdout, stderr } = await output(id, script);
      const own = "PID   COMMAND\n    1 /app/pause\n";
      expect(stdout).toMatch(own);
      expect(stdout.split("\n")).toEqual(
        expect.arrayContaining(["SECRET=of the app", "/app/pause", "pause", "pod-host", "traced"]),
      );
      expect(stdout).not.toContain("own ");
      expect(stderr).toMatch(/touch: \/target\/new: Read-only file system\n.*\/target\/app\/pause: Read-only/);
      expect(code).toBe(3);
      expect({ files: filesOf(root), left: await left() }).toEqual(before);
      await pod.remove(id);
    });
  });

  const strace = "/usr/bin/strace";
  const hasStrace = existsSync(strace);
  it.skipIf(!hasStrace)(
    `attaches strace to its process${hasStrace ? "" : " (no strace on this machine)"}`,
    async () => {
      const { id } = await startDistroless();
      const libraries = execFileSync("ldd", [strace], { encoding: "utf8" }).match(/\/\S+/g) ?? [];
      for (const file of [strace, ...libraries]) {
        mkdirSync(join(tools, dirname(file)), { recursive: true });
        copyFileSync(file, join(tools, file));
      }
      const running = debug(id, [strace, "-p", "1"]);
      await expect.poll(() => running.output.stderr).toMatch(/Process 1 attached\n.*pause\(/);
      await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
      expect(await running.ended).toBe(137);
      await pod.remove(id);
    },
  );

  it("joins the target's user namespace", async () => {
    const mappings = [{ ContainerID: 0, HostID: 100_000, Size: 65_536 }];
    const Namespaces = [...(ociSpec("/", []).Linux?.Namespaces ?? []), { Type: "user" }];
    const { id } = await startDistroless({ Namespaces, UIDMappings: mappings, GIDMappings: mappings });
    const script =
      "cat /proc/self/uid_map; [ /proc/1/ns/user -ef /proc/self/ns/user ] && cat /proc/1/environ; echo; ls /target";
    const { code, stdout, stderr } = await output(id, script);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ +0 +100000 +65536\nSECRET=of the app\0/);
    expect(stdout).toMatch(/^app$/m);
    await pod.remove(id);
  });

  it("can write to the target's root only with --writable", async () => {
    const { id, root } = await startDistroless();
    expect(await output(id, "echo new >/target/app/new", "--writable")).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(join(root, "app/new"), "utf8")).toBe("new\n");
    await pod.remove(id);
  });

  it("can't be traced or entered by its target without CAP_SYS_PTRACE, though both are root", async () => {
    const target = await pod.start(["sleep", "1000"]);
    const running = debug(target, ["sh", "-c", "echo $$; exec sleep 1000"]);
    await running.prints("\n");
    const pid = running.output.stdout.toString().trim();
    const script = `ls /proc/${pid}/root/; cat /proc/${pid}/mem; kill -9 ${pid}`;
    const { stdout, stderr } = await pod.execute(target, ["sh", "-c", script]);
    expect(stdout.toString()).toBe("");
    expect(stderr.toString()).toMatch(/root\/: Permission denied\n.*mem.*: Permission denied\n$/);
    expect(await running.ended).toBe(137);
    await pod.remove(target);
  });

  it("is explained, survives the agent, passes stdin, and ends with its target", async () => {
    const { id } = await startDistroless();
    const running = debug(id, ["sh", "-c", "read line; echo $line; exec sleep 1000"], "-i", "--name", "tools");
    await expect
      .poll(() => pod.client.guest.explain({ container_id: "tools" }).catch(() => ({ steps: [] })))
      .toMatchObject({
        steps: expect.arrayContaining([
          expect.objectContaining({ operation: "setns", reason: "linux.namespaces" }),
          { operation: "mount on", object: "/target", reason: `shared_mounts debug ${id}` },
        ]),
      });
    await machine.killAgent();
    running.type("typed\n");
    await running.prints("typed\n");
    await pod.client.close();
    pod = await Pod.open(machine);
    await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    expect(await running.ended).toBe(137);
    await expect(pod.client.guest.explain({ container_id: "tools" })).rejects.toMatchObject({ kind: "not-found" });
    await pod.remove(id);
  });

  it("fails in one line without a running target, and leaves nothing", async () => {
    const before = await left();
    expect(await output("none", "true")).toEqual({
      ...{ code: 125, stdout: "" },
      stderr: "guestctl: debug container none: no container of this id runs\n",
    });
    const refused = pod.create(["true"], { Annotations: { "guestd.debug": "none", "guestd.runtime": "crun" } });
    await expect(refused).rejects.toMatchObject({ kind: "not-found" });
    expect(await left()).toEqual(before);
  });

  it("is refused by a policy that denies Debug", async () => {
    await using denying = await startHostAgent({ config: 'deny_calls = "Debug"' });
    const other = await Pod.open(denying);
    const target = await other.start(["sleep", "1000"]);
    const refused = other.create(["true"], { Annotations: { "guestd.debug": target } });
    await expect(refused).rejects.toMatchObject({
      kind: "permission-denied",
      message: "DebugRequest is blocked by policy: agent.deny_calls names it",
    });
    await other.client.close();
  });
});
