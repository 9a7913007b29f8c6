import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";
import { shiftedRootfs } from "./shifted-rootfs.ts";

/** A directory of the guest with scripts that serve as hooks, and what they wrote. */
class Scripts {
  readonly guest: string;
  readonly #pod: Pod;
  readonly #host: string;

  constructor(pod: Pod, name: string) {
    this.#pod = pod;
    // A root file system that no container uses: hosts and guests both see it.
    this.guest = pod.machine.rootfs(`${name}-${Date.now().toString(36)}`);
    this.#host = pod.machine.hostPath(this.guest);
    mkdirSync(join(this.#host, "out"), { mode: 0o777 });
  }

  /** Runs with the rootfs's own busybox, for a guest has no shell of its own. */
  write(name: string, body: string): string {
    writeFileSync(join(this.#host, name), `#!${this.guest}/bin/busybox sh\n${body}\n`, { mode: 0o755 });
    return `${this.guest}/${name}`;
  }

  async read(name: string): Promise<string> {
    return this.#pod.machine.shell(`cat ${this.guest}/out/${name} 2>/dev/null || true`);
  }
}

type Hooks = Init<grpc.Hooks>;
const unique = () => `hooked-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;

/** Hooks of the spec, of all six kinds. */
export function hookScenarios(pod: () => Pod): void {
  const create = async (
    id: string,
    Hooks: Hooks,
    args: readonly string[] = ["sleep", "1000"],
    parts: Init<grpc.Spec> = {},
  ) => {
    const rootfs = parts.Root?.Path ?? pod().machine.rootfs(id);
    const OCI = ociSpec(rootfs, args, { Hooks, Annotations: { colour: "green" }, ...parts });
    await pod().client.agent.createContainer({ container_id: id, OCI });
  };
  const traces = () =>
    pod().machine.shell(
      "find /sys/fs/cgroup -type d | wc -l; wc -l < /proc/mounts; ls /run/guestd/containers /run/kata-containers; ps -o args | grep -c '[s]leep 7[0-9][0-9]' || true",
    );

  it("run in their order, with the state of the container on stdin, arguments and environment as given", async () => {
    const scripts = new Scripts(pod(), "order");
    const id = unique();
    const bb = `${scripts.guest}/bin/busybox`;
    const out = `${scripts.guest}/out/log`;
    const hook = (kind: string) => {
      const body = `(echo "$0 $*"; ${bb} tr '\\0' '\\n' < /proc/self/environ; ${bb} cat; echo) >> ${out}`;
      return { Path: scripts.write(kind, body), Args: ["name", kind, "two words"], Env: [`KIND=${kind}`] };
    };
    const inside = {
      Path: "/bin/sh",
      Args: ["sh", "-c", "(tr '\\0' '\\n' < /proc/self/environ; cat; echo; pwd) > /log"],
      Env: ["PATH=/bin"],
    };
    const rootfs = pod().machine.rootfs(id);
    await create(
      id,
      {
        Prestart: [hook("prestart")],
        CreateRuntime: [hook("createRuntime"), { Path: scripts.write("again", `echo again >> ${out}`) }],
        CreateContainer: [hook("createContainer")],
        StartContainer: [inside],
        Poststart: [hook("poststart")],
        Poststop: [hook("poststop")],
      },
      ["sh", "-c", "cat /log; sleep 1000"],
      { Root: { Path: rootfs } },
    );
    const pid = (await pod().machine.shell(`cat /sys/fs/cgroup/${id}/cgroup.procs`)).trim();
    const state = (status: string, its: string | undefined) =>
      JSON.stringify({
        ociVersion: "1.2.0",
        id,
        status,
        ...(its === undefined ? {} : { pid: Number(its) }),
        bundle: `/run/kata-containers/${id}`,
        annotations: { colour: "green" },
      });
    const expected = (kind: string, status: string, its?: string) =>
      `${scripts.guest}/${kind} ${kind} two words\nKIND=${kind}\n${state(status, its)}\n`;
    const text = () => scripts.read("log");
    const created =
      `${expected("prestart", "creating", pid)}${expected("createRuntime", "creating", pid)}again\n` +
      expected("createContainer", "creating", "1");
    expect(await text()).toBe(created);
    await pod().client.agent.startContainer({ container_id: id });
    const { data } = await pod().client.agent.readStdout({ container_id: id, exec_id: id, len: 10_000 });
    expect(Buffer.from(data).toString()).toBe(`PATH=/bin\n${state("created", "1")}\n/\n`);
    expect(await text()).toBe(created + expected("poststart", "running", pid));
    await pod().remove(id);
    expect(await text()).toBe(created + expected("poststart", "running", pid) + expected("poststop", "stopped"));
  });

  it("run in the namespaces that the spec has for each: guest, container before the pivot, container", async () => {
    const scripts = new Scripts(pod(), "places");
    const id = unique();
    const bb = `${scripts.guest}/bin/busybox`;
    const where = (name: string) => ({
      Path: scripts.write(
        name,
        `(for n in mnt uts pid cgroup; do ${bb} readlink /proc/self/ns/$n; done; ${bb} pwd) > ${scripts.guest}/out/${name}`,
      ),
    });
    const line = "for n in mnt uts pid cgroup; do readlink /proc/self/ns/$n; done";
    await create(
      id,
      {
        CreateRuntime: [where("runtime")],
        CreateContainer: [where("container")],
        StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", `(${line}) > /places`], Env: ["PATH=/bin"] }],
        Poststart: [where("poststart")],
      },
      ["sh", "-c", `(${line}); cat /places; sleep 1000`],
    );
    await pod().client.agent.startContainer({ container_id: id });
    const { data } = await pod().client.agent.readStdout({ container_id: id, exec_id: id, len: 10_000 });
    const lines = Buffer.from(data).toString().trim().split("\n");
    const own = lines.slice(0, 4);
    expect(lines.slice(4)).toEqual(own);
    const guest = (await pod().machine.shell(line)).trim().split("\n");
    const rootfs = pod().machine.rootfs(`unused-${id}`).replace(`unused-${id}`, id);
    expect((await scripts.read("container")).trim().split("\n")).toEqual([...own, rootfs]);
    expect((await scripts.read("runtime")).trim().split("\n")).toEqual([...guest, `/run/kata-containers/${id}`]);
    expect((await scripts.read("poststart")).trim().split("\n").slice(0, 4)).toEqual(guest);
    await pod().remove(id);
  });

  it("startContainer runs as the process would: its user, capabilities and limits", async () => {
    const id = unique();
    const { Process } = ociSpec("/", ["sh", "-c", "cat /tmp/seen; grep -E '^(Uid|Cap|NoNew)' /proc/self/status"]);
    const rootfs = pod().machine.rootfs(id);
    await pod().client.agent.createContainer({
      container_id: id,
      OCI: ociSpec(rootfs, [], {
        Process: { ...Process, User: { UID: 1000, GID: 100 } },
        Mounts: [
          ...(ociSpec("/", []).Mounts ?? []),
          { destination: "/tmp", source: "tmpfs", type: "tmpfs", options: ["mode=1777"] },
        ],
        Hooks: {
          StartContainer: [
            { Path: "/bin/sh", Args: ["sh", "-c", "/bin/grep -E '^(Uid|Cap|NoNew)' /proc/self/status > /tmp/seen"] },
          ],
        },
      }),
    });
    await pod().client.agent.startContainer({ container_id: id });
    const lines = (await pod().finish(id, id)).stdout.toString().trim().split("\n");
    expect(lines).toHaveLength(14);
    expect(lines.slice(0, 7)).toEqual(lines.slice(7));
    await pod().remove(id);
  });

  it("inside a user namespace they are its root, and startContainer its user", async () => {
    const id = unique();
    // As with runc, the mapped root has to reach the hook and the rootfs: the directory of tests is closed to it.
    const path = `/run/${id}`;
    await pod().machine.shell(`cp -a ${await shiftedRootfs(pod().machine)} ${path}`);
    const hook = { Path: `${path}/bin/busybox`, Args: ["sh", "-c", `${path}/bin/busybox id -u >&2; exit 1`] };
    const map = [{ ContainerID: 0, HostID: 100_000, Size: 65_536 }];
    const { Linux, Mounts } = ociSpec("/", []);
    const Namespaces = [...(Linux?.Namespaces ?? []), { Type: "user" }];
    const parts = (Hooks: Hooks) => ({
      Hooks,
      Root: { Path: path },
      Linux: { ...Linux, Namespaces, UIDMappings: map, GIDMappings: map },
    });
    const failing = pod().create(["true"], parts({ CreateContainer: [hook] }));
    await expect(failing).rejects.toThrow(`hook createContainer[0] ${hook.Path}: exit status 1: 0`);
    const who = "id -u; readlink /proc/self/ns/user";
    await create(id, {}, [], {
      ...parts({
        StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", `(${who}) > /tmp/who`], Env: ["PATH=/bin"] }],
      }),
      Process: { ...ociSpec("/", ["sh", "-c", `cat /tmp/who; ${who}`]).Process, User: { UID: 1000, GID: 100 } },
      Mounts: [...(Mounts ?? []), { destination: "/tmp", source: "tmpfs", type: "tmpfs", options: ["mode=1777"] }],
    });
    await pod().client.agent.startContainer({ container_id: id });
    const lines = (await pod().finish(id, id)).stdout.toString().trim().split("\n");
    expect([lines.length, lines[0]]).toEqual([4, "1000"]);
    expect(lines.slice(0, 2)).toEqual(lines.slice(2));
    await pod().remove(id);
    await pod().machine.shell(`rm -r ${path}`);
  });

  it("a bundle with config.json is there for hooks, and goes with the container", async () => {
    const scripts = new Scripts(pod(), "bundle");
    const id = unique();
    const bb = `${scripts.guest}/bin/busybox`;
    await create(id, {
      Prestart: [{ Path: scripts.write("copy", `${bb} cat config.json > ${scripts.guest}/out/config`) }],
    });
    const config = JSON.parse(await scripts.read("config")) as { process: { args: string[] }; root: { path: string } };
    expect(config).toMatchObject({
      process: { args: ["sleep", "1000"], cwd: "/", noNewPrivileges: true },
      hooks: { prestart: [{ path: `${scripts.guest}/copy` }] },
      annotations: { colour: "green" },
    });
    await pod().remove(id);
    expect(await pod().machine.shell(`ls -d /run/kata-containers/${id} 2>/dev/null || echo gone`)).toBe("gone\n");
  });

  it.each(["Prestart", "CreateRuntime", "CreateContainer"] as const)(
    "a %s hook that fails fails CreateContainer in one line, runs poststop, and leaves nothing",
    async (kind) => {
      const scripts = new Scripts(pod(), "failing");
      const id = unique();
      const rootfs = pod().machine.rootfs(id);
      const name = `${kind[0]?.toLowerCase()}${kind.slice(1)}`;
      const before = await traces();
      const failing = scripts.write("fail", "echo; echo 'no such luck' >&2; echo second >&2; exit 3");
      const never = scripts.write("never", `echo x > ${scripts.guest}/out/never`);
      const stopped = scripts.write("stopped", `${scripts.guest}/bin/busybox cat > ${scripts.guest}/out/stopped`);
      const hooks = { [kind]: [{ Path: failing }, { Path: never }], Poststop: [{ Path: stopped }] };
      await expect(create(id, hooks, ["sleep", "700"], { Root: { Path: rootfs } })).rejects.toMatchObject({
        code: 13,
        message: `hook ${name}[0] ${failing}: exit status 3: no such luck`,
      });
      expect(await traces()).toBe(before);
      expect(await scripts.read("never")).toBe("");
      expect(JSON.parse(await scripts.read("stopped"))).toMatchObject({ id, status: "stopped" });
      await create(id, {}, ["sleep", "701"], { Root: { Path: rootfs } });
      await pod().remove(id);
    },
  );

  it("a startContainer hook that fails fails StartContainer in one line and ends the container", async () => {
    const id = unique();
    const before = await traces();
    await create(id, { StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", "echo bad >&2; exit 9"] }] }, [
      "sleep",
      "702",
    ]);
    await expect(pod().client.agent.startContainer({ container_id: id })).rejects.toMatchObject({
      code: 13,
      message: "hook startContainer[0] /bin/sh: exit status 9: bad",
    });
    expect((await pod().client.agent.waitProcess({ container_id: id, exec_id: "" })).status).toBe(137);
    await expect(pod().client.agent.startContainer({ container_id: id })).rejects.toThrow("has ended");
    await pod().remove(id);
    expect(await traces()).toBe(before);
  });

  it.each([
    ["missing", "/no/such/hook", "executable file not found"],
    ["not executable", "/etc/passwd", "not executable, EACCES"],
    ["killed", undefined, "killed by signal 9"],
  ])("a hook that is %s is told", async (_what, path, why) => {
    const scripts = new Scripts(pod(), "odd");
    const given = path ?? scripts.write("suicide", "kill -9 $$");
    const real = path === "/etc/passwd" ? `${scripts.guest}${path}` : given;
    await expect(create(unique(), { CreateRuntime: [{ Path: real }] })).rejects.toThrow(
      `hook createRuntime[0] ${real}: ${why}`,
    );
  });

  it("one that takes too long is killed with what it started, and meanwhile others are served", async () => {
    const scripts = new Scripts(pod(), "slow");
    const { agent, health } = pod().client;
    const other = await pod().start(["sleep", "1000"]);
    const bb = `${scripts.guest}/bin/busybox`;
    const slow = scripts.write("slow", `echo waiting >&2; ${bb} sleep 703; true`);
    const id = unique();
    const begun = performance.now();
    const creating = create(id, { CreateRuntime: [{ Path: slow, Timeout: 2 }] });
    creating.catch(() => undefined);
    const longest = { ms: 0 };
    while (performance.now() - begun < 1500) {
      const start = performance.now();
      await health.check({});
      await agent.statsContainer({ container_id: other });
      expect((await pod().execute(other, ["echo", "x"])).status).toBe(0);
      longest.ms = Math.max(longest.ms, performance.now() - start);
    }
    await agent.signalProcess({ container_id: other, exec_id: "", signal: 9 });
    expect((await pod().finish(other, other)).status).toBe(137);
    expect(longest.ms).toBeLessThan(pod().machine.real ? 1900 : 500);
    await expect(creating).rejects.toThrow(`hook createRuntime[0] ${slow}: not ended within 2 s, killed: waiting`);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(2000);
    expect(await pod().machine.shell("ps -o args | grep -c '[s]leep 703' || true")).toBe("0\n");
    await pod().remove(other);
  });

  it("a poststart or poststop hook that fails stops nothing", async () => {
    const id = unique();
    const scripts = new Scripts(pod(), "post");
    const fail = { Path: scripts.write("fail", "exit 1") };
    const mark = (name: string) => ({ Path: scripts.write(name, `echo ran > ${scripts.guest}/out/${name}`) });
    await create(id, { Poststart: [fail, mark("started")], Poststop: [fail, mark("stopped")] }, ["echo", "x"]);
    await pod().client.agent.startContainer({ container_id: id });
    expect((await pod().finish(id, id)).status).toBe(0);
    await pod().remove(id);
    expect([await scripts.read("started"), await scripts.read("stopped")]).toEqual(["ran\n", "ran\n"]);
  });

  it("a state of 300 KiB and an endless stderr are no trouble", async () => {
    const id = unique();
    const scripts = new Scripts(pod(), "much");
    const bb = `${scripts.guest}/bin/busybox`;
    const Annotations = { big: "x".repeat(300_000) };
    const body = `${bb} head -c 3000000 /dev/zero >&2; ${bb} wc -c > ${scripts.guest}/out/count`;
    await create(id, { Prestart: [{ Path: scripts.write("much", body) }] }, ["true"], { Annotations });
    expect(Number(await scripts.read("count"))).toBeGreaterThan(300_000);
    await pod().remove(id);
  });

  it("a caller that gives up takes the hook away, and a removal ends one of StartContainer", async () => {
    const scripts = new Scripts(pod(), "gone");
    const { agent } = pod().client;
    const bb = `${scripts.guest}/bin/busybox`;
    const before = await traces();
    const slow = scripts.write("slow", `${bb} sleep 704; true`);
    const rootfs = pod().machine.rootfs(unique());
    const OCI = ociSpec(rootfs, ["true"], { Hooks: { CreateRuntime: [{ Path: slow }] } });
    const creating = agent.createContainer({ container_id: unique(), OCI }, { timeoutMs: 500 });
    await expect(creating).rejects.toMatchObject({ kind: "deadline-exceeded" });
    await expect.poll(traces, { timeout: 10_000, interval: 100 }).toBe(before);
    const id = unique();
    await create(id, { StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", "sleep 705; true"] }] }, ["true"], {
      Root: { Path: rootfs },
    });
    const starting = agent.startContainer({ container_id: id });
    starting.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await pod().remove(id);
    await expect(starting).rejects.toThrow("is being removed");
    expect(await traces()).toBe(before);
  });

  it("a kill ends a startContainer hook that is at work, and StartContainer says why", async () => {
    const id = unique();
    await create(id, {
      StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", "sleep 706; true"], Env: ["PATH=/bin"] }],
    });
    const starting = pod().client.agent.startContainer({ container_id: id });
    starting.catch(() => undefined);
    const running = () => pod().machine.shell("ps -o args | grep -c '[s]leep 706' || true");
    await expect.poll(running, { timeout: 10_000 }).not.toBe("0\n");
    const start = performance.now();
    await pod().client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    await expect(starting).rejects.toThrow(/killed by signal 9|it ended before it was started/);
    expect(performance.now() - start).toBeLessThan(3000);
    await pod().remove(id);
    expect(await running()).toBe("0\n");
  });

  it.each<[Hooks, string]>([
    [{ CreateRuntime: [{ Path: "hook" }] }, 'hooks.createRuntime[0] path "hook" is not an absolute path'],
    [{ Poststop: [{ Path: "/x" }, { Path: "/x", Timeout: -1 }] }, "hooks.poststop[1] timeout -1 is not above zero"],
    [{ StartContainer: [{ Path: "/x", Env: ["a\0b"] }] }, "hooks.startContainer[0] has a NUL byte in it"],
  ])("%j is refused by name", async (hooks, why) => {
    await expect(create(unique(), hooks)).rejects.toMatchObject({ code: 3, message: `OCI spec: ${why}` });
  });
}
