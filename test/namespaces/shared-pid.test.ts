import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { compileC } from "../testing/compile-c.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/**
 * The view that containers of a pod have of each other if they share a pid namespace: CreateContainer with
 * sandbox_pidns.
 */
describeInNamespaces("containers that share a pid namespace", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let rootfs: string;

  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("all");
    compileC([join(import.meta.dirname, "stalker.c")], join(rootfs, "bin/stalker"));
    await create("first", []);
    await pod.client.agent.startContainer({ container_id: "first" });
    await create("tracer", ["CAP_SYS_PTRACE"]);
    await pod.client.agent.startContainer({ container_id: "tracer" });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  async function create(
    container_id: string,
    more: readonly string[],
    Linux: object = {},
    share = true,
  ): Promise<void> {
    const OCI = ociSpec(rootfs, ["sleep", "1000"]);
    const all = [...(OCI.Process?.Capabilities?.Bounding ?? []), ...more];
    const Process = { ...OCI.Process, Capabilities: { Bounding: all, Effective: all, Permitted: all } };
    const parts = { ...OCI, Process, Linux: { ...OCI.Linux, ...Linux } };
    await pod.client.agent.createContainer({ container_id, OCI: parts, sandbox_pidns: share });
  }

  async function inside(id: string, line: string): Promise<string> {
    const { stdout, stderr } = await pod.execute(id, ["sh", "-c", line]);
    return stdout.toString() + stderr.toString();
  }

  it("see each other, and neither init nor the agent", async () => {
    const line = "for p in /proc/[0-9]*; do read name < $p/comm && echo $name; done";
    expect((await inside("first", line)).split("\n").sort().slice(1)).toEqual(["sh", "sleep", "sleep"]);
  });

  describe("and look at a container that is created but not started", () => {
    let pid: string;
    beforeAll(async () => {
      await create("waiting", []);
      pid = (await inside("first", "grep -l init /proc/[0-9]*/comm")).split("/")[2] ?? "";
    });
    afterAll(() => pod.remove("waiting"));

    it("get nothing from it without CAP_SYS_PTRACE", async () => {
      const names = ["exe", "root", "cwd", "fd/0", "ns/mnt"].map((name) => `/proc/${pid}/${name}`).join(" ");
      expect(await inside("first", `for name in ${names}; do readlink $name; done`)).toBe("");
      const files = ["mem", "maps", "environ", "auxv"].map((name) => `/proc/${pid}/${name}`).join(" ");
      expect(await inside("first", `cat ${files}`)).toMatch(/^(cat: can't open '\S+': Permission denied\n){4}$/);
    });

    it("see with CAP_SYS_PTRACE a process with no more privileges than its container will have", async () => {
      const links = await inside("tracer", `ls -l /proc/${pid}/fd | grep -c pipe:; ls /proc/${pid}/fd | wc -l`);
      expect(links).toBe("5\n5\n"); // stdio, the release pipe, the report pipe
      expect(await inside("tracer", `grep -c -e ' rw-s ' /proc/${pid}/maps`)).toBe("0\n"); // no memory shared with init
      expect(await inside("tracer", `grep CapEff /proc/${pid}/status; readlink /proc/${pid}/root`)).toBe(
        "CapEff:\t00000000000400eb\n/\n",
      );
    });
  });

  /** Runs execs in the container `into` while a process in `id` tries to catch them. */
  async function stalk(id: string, into = "first"): Promise<string> {
    const stalker = await pod.exec(id, ["stalker", "1500"]);
    for (let i = 0; i < 150; i++) await pod.execute(into, ["true"]);
    return (await pod.finish(id, stalker)).stdout.toString();
  }

  it("get nothing of an exec before it executes", async () => {
    expect(await stalk("first")).toMatch(/^met [1-9]\d*, got 0, nothing, with [0-9a-f]+\n$/);
  });

  it("catch with CAP_SYS_PTRACE only an exec with no more privileges than it will have", async () => {
    // The capabilities are those of the container that it enters.
    expect(await stalk("tracer")).toMatch(/^met [1-9]\d*, .*, with 400eb\n$/);
  });

  it("catch nothing more privileged if an exec has CAP_SYS_PTRACE, also after the agent's death", async () => {
    await create("plain", [], {}, false);
    await pod.client.agent.startContainer({ container_id: "plain" });
    const all = [...(ociSpec("/", []).Process?.Capabilities?.Bounding ?? []), "CAP_SYS_PTRACE"];
    const Capabilities = { Bounding: all, Effective: all, Permitted: all };
    const stalker = await pod.exec("plain", ["stalker", "4000"], { Capabilities });
    for (let i = 0; i < 100; i++) await pod.execute("plain", ["true"]);
    await pod.client.close();
    await machine.killAgent();
    pod = await Pod.open(machine);
    for (let i = 0; i < 100; i++) await pod.execute("plain", ["true"]);
    const { stdout } = await pod.finish("plain", stalker);
    expect(stdout.toString()).toMatch(/^met [1-9]\d*, .*, with 400eb\n$/);
    await pod.remove("plain");
  });

  const frozen = () => machine.shell("grep frozen /sys/fs/cgroup/containers/tracer/cgroup.events");

  // test/attack/traced-creation.test.ts has the attack.
  it("stay frozen with CAP_SYS_PTRACE while another container is created, and a requested pause begins after that", async () => {
    let pausing: Promise<unknown> | undefined;
    await whileMaking(async () => {
      expect(await frozen()).toBe("frozen 1\n");
      pausing = pod.client.agent.pauseContainer({ container_id: "tracer" });
      await pod.client.health.check({});
    });
    await pausing;
    expect(await frozen()).toBe("frozen 1\n");
    await pod.remove("made");
    await whileMaking(frozen);
    expect(await frozen()).toBe("frozen 1\n");
    await pod.client.agent.resumeContainer({ container_id: "tracer" });
    expect(await inside("tracer", "echo lives")).toBe("lives\n");
    await pod.remove("made");
  });

  it("are thawed by the next agent, which rolls back the creation", async () => {
    const making = whileMaking(async () => {
      expect(await frozen()).toBe("frozen 1\n");
      await pod.client.close();
      await machine.killAgent();
      pod = await Pod.open(machine);
      await expect.poll(frozen).toBe("frozen 0\n");
    });
    await expect(making).rejects.toThrow();
    expect(await inside("tracer", "echo lives")).toBe("lives\n");
    expect(await machine.shell("ls /run/guestd/containers")).not.toContain("made");
    await pod.client.agent.pauseContainer({ container_id: "tracer" });
    await pod.client.agent.resumeContainer({ container_id: "tracer" });
  });

  /** Calls `look` while a guest hook, which then exits with `status`, holds up the creation of the container "made". */
  async function whileMaking<T>(look: () => Promise<T>, status = 0): Promise<T> {
    const [at, on] = ["made-at", "made-on"].map((name) => join(rootfs, name));
    const args = ["sh", "-c", `touch ${at}; until test -e ${on}; do sleep 0.1; done; exit ${status}`];
    const Hooks = { CreateRuntime: [{ Path: "/bin/sh", Args: args, Env: ["PATH=/usr/bin:/bin"], Timeout: 60 }] };
    const OCI = { ...ociSpec(rootfs, ["sleep", "1000"]), Hooks };
    const making = pod.client.agent.createContainer({ container_id: "made", OCI, sandbox_pidns: true });
    making.catch(() => undefined); // it may fail while `look` runs
    try {
      await machine.shell(`until test -e ${at}; do sleep 0.1; done`);
      return await look();
    } finally {
      await machine.shell(`touch ${on}`);
      await making.finally(() => machine.shell(`rm ${at} ${on}`));
    }
  }

  it("get nothing of an exec with CAP_SYS_PTRACE in a user namespace", async () => {
    const mappings = [{ ContainerID: 0, HostID: 100_000, Size: 65_536 }];
    const Namespaces = [...(ociSpec(rootfs, []).Linux?.Namespaces ?? []), { Type: "user" }];
    await create("mapped", ["CAP_SYS_PTRACE"], { Namespaces, UIDMappings: mappings, GIDMappings: mappings }, false);
    await pod.client.agent.startContainer({ container_id: "mapped" });
    expect(await stalk("mapped", "mapped")).toMatch(/^met [1-9]\d*, got 0, nothing, with [0-9a-f]+\n$/);
    const [first = ""] = (await machine.shell("cat /sys/fs/cgroup/containers/mapped/cgroup.procs")).split("\n");
    const pid = { Type: "pid", Path: `/proc/${first}/ns/pid` };
    const others = (ociSpec(rootfs, []).Linux?.Namespaces ?? []).filter(({ Type }) => Type !== "pid");
    await create("stranger", ["CAP_SYS_PTRACE"], { Namespaces: [...others, pid] }, false);
    await pod.client.agent.startContainer({ container_id: "stranger" });
    expect(await stalk("stranger", "mapped")).toMatch(/^met [1-9]\d*, .*, with c00eb\n$/);
    await pod.remove("stranger");
    await pod.remove("mapped");
  });

  it("end with all their processes by KILL without an exec id, and alone by KILL with their own id", async () => {
    const left = () => inside("first", "grep -c -E '^sleep.(752|753).' /proc/[0-9]*/cmdline | grep -c ':1$'");
    await create("second", []);
    await pod.client.agent.startContainer({ container_id: "second" });
    await pod.exec("second", ["sleep", "752"]);
    await pod.exec("second", ["sh", "-c", "sleep 753 & exec sleep 753"]);
    await expect.poll(left).toBe("3\n");
    const KILL = 9;
    await pod.client.agent.signalProcess({ container_id: "second", exec_id: "second", signal: KILL });
    expect((await pod.client.agent.waitProcess({ container_id: "second", exec_id: "" })).status).toBe(137);
    expect(await left()).toBe("3\n");
    await pod.client.agent.signalProcess({ container_id: "second", exec_id: "", signal: KILL });
    await expect.poll(left).toBe("0\n");
    await pod.remove("second");
  });

  it("end with the first one, and the next container that shares creates the pod's new namespace", async () => {
    await pod.client.agent.signalProcess({ container_id: "first", exec_id: "", signal: 9 });
    await pod.client.agent.waitProcess({ container_id: "first", exec_id: "" });
    await create("second", []);
    await pod.client.agent.startContainer({ container_id: "second" });
    await create("third", []);
    await pod.client.agent.startContainer({ container_id: "third" });
    const links = await Promise.all(["second", "third"].map((id) => inside(id, "readlink /proc/self/ns/pid")));
    expect(links[0]).toBe(links[1]);
    expect(await inside("second", "echo $$; ls -d /proc/1")).toMatch(/^\d+\n\/proc\/1\n$/);
  });

  it("create one namespace for the pod, whatever else is created meanwhile", async () => {
    for (const id of ["third", "second"]) await pod.remove(id);
    let joining: Promise<void> | undefined;
    await whileMaking(async () => {
      joining = create("joins", []);
      await create("apart", [], {}, false);
      await pod.client.agent.startContainer({ container_id: "apart" });
    });
    await joining;
    await create("late", []);
    for (const container_id of ["made", "joins", "late"]) await pod.client.agent.startContainer({ container_id });
    const ids = ["made", "joins", "late", "apart"];
    const [made, ...others] = await Promise.all(ids.map((id) => inside(id, "readlink /proc/self/ns/pid")));
    expect(others.map((link) => link === made)).toEqual([true, true, false]);
    for (const id of ids.toReversed()) await pod.remove(id);
  });

  it("create another namespace if the first container that should create it fails", async () => {
    const ids = ["one", "other"];
    let joining: Promise<unknown> | undefined;
    const failing = whileMaking(async () => {
      joining = Promise.all(ids.map((id) => create(id, [])));
      await pod.client.health.check({}); // both requests have arrived
    }, 1);
    await expect(failing).rejects.toThrow("hook createRuntime[0]");
    await joining;
    for (const container_id of ids) await pod.client.agent.startContainer({ container_id });
    const links = await Promise.all(ids.map((id) => inside(id, "readlink /proc/self/ns/pid")));
    expect(links[0]).toBe(links[1]);
    for (const id of ids) await pod.remove(id);
  });
});
