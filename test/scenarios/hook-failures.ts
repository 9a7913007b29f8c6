import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { createHooked, type Hooks, Scripts, unique } from "./hook-scripts.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Scenarios of hooks that fail, that take too long, and whose caller has gone. */
export function hookFailureScenarios(pod: () => Pod): void {
  const create = (id: string, hooks: Hooks, args?: readonly string[], parts?: Init<grpc.Spec>) =>
    createHooked(pod(), id, hooks, args, parts);
  const traces = () =>
    pod().machine.shell(
      "find /sys/fs/cgroup -type d | wc -l; wc -l < /proc/mounts; ls /run/guestd/containers /run/kata-containers; ps -o args | grep -c '[s]leep 7[0-9][0-9]' || true",
    );

  it.each(["Prestart", "CreateRuntime", "CreateContainer"] as const)(
    "a failing %s hook fails CreateContainer in one line, runs poststop, and leaves nothing behind",
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
      await expect.poll(traces, { interval: 100 }).toBe(before);
      expect(await scripts.read("never")).toBe("");
      expect(JSON.parse(await scripts.read("stopped"))).toMatchObject({ id, status: "stopped" });
      await create(id, {}, ["sleep", "701"], { Root: { Path: rootfs } });
      await pod().remove(id);
    },
  );

  it("a failing startContainer hook fails StartContainer in one line and ends the container", async () => {
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
    await expect.poll(traces, { interval: 100 }).toBe(before);
  });

  it.each([
    ["missing", "/no/such/hook", "executable file not found"],
    ["not executable", "/etc/passwd", "not executable, EACCES"],
    ["killed", undefined, "killed by signal 9"],
  ])("a hook that is %s fails CreateContainer with that reason", async (_what, path, why) => {
    const scripts = new Scripts(pod(), "odd");
    const given = path ?? scripts.write("suicide", "kill -9 $$");
    const real = path === "/etc/passwd" ? `${scripts.guest}${path}` : given;
    await expect(create(unique(), { CreateRuntime: [{ Path: real }] })).rejects.toThrow(
      `hook createRuntime[0] ${real}: ${why}`,
    );
  });

  it("a hook that takes too long is killed with its children, and other calls are served meanwhile", async () => {
    const scripts = new Scripts(pod(), "slow");
    const { agent, health } = pod().client;
    const other = await pod().start(["sleep", "1000"]);
    const bb = `${scripts.guest}/bin/busybox`;
    const slow = scripts.write("slow", `echo waiting >&2; ${bb} sleep 703; true`);
    const id = unique();
    const seconds = pod().machine.real ? 5 : 2;
    const begun = performance.now();
    const creating = create(id, { CreateRuntime: [{ Path: slow, Timeout: seconds }] });
    let ended = false;
    creating.catch(() => {
      ended = true;
    });
    while (performance.now() - begun < 1500) {
      await health.check({});
      await agent.statsContainer({ container_id: other });
      expect((await pod().execute(other, ["echo", "x"])).status).toBe(0);
    }
    await agent.signalProcess({ container_id: other, exec_id: "", signal: 9 });
    expect((await pod().finish(other, other)).status).toBe(137);
    expect(ended, "the calls were served before the hook ended").toBe(false);
    const late = `hook createRuntime[0] ${slow}: timed out after ${seconds} s, killed: waiting`;
    await expect(creating).rejects.toThrow(late);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(seconds * 1000);
    // A killed process is listed until the kernel has ended it.
    const left = () => pod().machine.shell("ps -o args | grep -c '[s]leep 703' || true");
    await expect.poll(left, { interval: 100 }).toBe("0\n");
    await pod().remove(other);
  });

  it("a failing poststart or poststop hook stops nothing", async () => {
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

  it("a hook can get a state of 300 KiB and write megabytes to stderr", async () => {
    const id = unique();
    const scripts = new Scripts(pod(), "much");
    const bb = `${scripts.guest}/bin/busybox`;
    const Annotations = { big: "x".repeat(300_000) };
    const body = `${bb} head -c 3000000 /dev/zero >&2; ${bb} wc -c > ${scripts.guest}/out/count`;
    await create(id, { Prestart: [{ Path: scripts.write("much", body) }] }, ["true"], { Annotations });
    expect(Number(await scripts.read("count"))).toBeGreaterThan(300_000);
    await pod().remove(id);
  });

  it("a cancelled call ends its hook, and RemoveContainer ends a hook of StartContainer", async () => {
    const scripts = new Scripts(pod(), "gone");
    const { agent } = pod().client;
    const bb = `${scripts.guest}/bin/busybox`;
    const before = await traces();
    const slow = scripts.write("slow", `${bb} sleep 704; true`);
    const rootfs = pod().machine.rootfs(unique());
    const OCI = ociSpec(rootfs, ["true"], { Hooks: { CreateRuntime: [{ Path: slow }] } });
    const creating = agent.createContainer({ container_id: unique(), OCI }, { timeoutMs: 500 });
    await expect(creating).rejects.toMatchObject({ kind: "deadline-exceeded" });
    await expect.poll(traces, { interval: 100 }).toBe(before);
    const id = unique();
    await create(id, { StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", "sleep 705; true"] }] }, ["true"], {
      Root: { Path: rootfs },
    });
    const starting = agent.startContainer({ container_id: id });
    starting.catch(() => undefined);
    await expect.poll(() => pod().machine.shell("ps -o args | grep -c '[s]leep 705' || true")).not.toBe("0\n");
    await pod().remove(id);
    await expect(starting).rejects.toThrow("is being removed");
    await expect.poll(traces, { interval: 100 }).toBe(before);
  });

  it("a kill ends a running startContainer hook, and StartContainer gives the reason", async () => {
    const id = unique();
    await create(id, {
      StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", "sleep 706; true"], Env: ["PATH=/bin"] }],
    });
    const starting = pod().client.agent.startContainer({ container_id: id });
    starting.catch(() => undefined);
    const running = () => pod().machine.shell("ps -o args | grep -c '[s]leep 706' || true");
    await expect.poll(running).not.toBe("0\n");
    await pod().client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    await expect(starting).rejects.toThrow(/^hook startContainer\[0\] \S+: killed/);
    await pod().remove(id);
    await expect.poll(running, { interval: 100 }).toBe("0\n");
  });

  it.each<[Hooks, string]>([
    [{ CreateRuntime: [{ Path: "hook" }] }, 'hooks.createRuntime[0] path "hook" is not an absolute path'],
    [{ Poststop: [{ Path: "/x" }, { Path: "/x", Timeout: -1 }] }, "hooks.poststop[1] timeout -1 is not above zero"],
    [{ StartContainer: [{ Path: "/x", Env: ["a\0b"] }] }, "hooks.startContainer[0] has a NUL byte in it"],
  ])("the hooks %j are refused by name", async (hooks, why) => {
    await expect(create(unique(), hooks)).rejects.toMatchObject({ code: 3, message: `OCI spec: ${why}` });
  });
}
