import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { apparmorProfile } from "./apparmor-profile.ts";
import { allowedProcessors, execAffinity } from "./exec-affinity.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Scenarios of a process's fields that not every host knows, seen from inside the container. */
export function processFieldScenarios(pod: () => Pod): void {
  const withProcess = (line: string, process: Init<grpc.Process> = {}): Init<grpc.Spec> => {
    const { Process } = ociSpec("/", ["sh", "-c", line]);
    return { Process: { ...Process, ...process } };
  };
  const withLinux = (parts: Init<grpc.Linux>): Init<grpc.Spec> => ({ Linux: { ...ociSpec("/", []).Linux, ...parts } });
  const inside = async (line: string, process: Init<grpc.Process> = {}, parts: Init<grpc.Spec> = {}) => {
    const { stdout, stderr } = await pod().run([], { ...withProcess(line, process), ...parts });
    return stdout.toString() + stderr.toString();
  };
  const inExec = async (id: string, line: string, process: Init<grpc.Process> = {}) => {
    const { stdout, stderr } = await pod().execute(id, ["sh", "-c", line], process);
    return stdout.toString() + stderr.toString();
  };

  it("a user name is looked up in the container's own files, for its process and for an exec", async () => {
    const { machine, client } = pod();
    const container_id = `named-${process.pid}-${Date.now()}`;
    const rootfs = machine.rootfs(container_id);
    mkdirSync(join(machine.hostPath(rootfs), "etc"), { recursive: true });
    writeFileSync(join(machine.hostPath(rootfs), "etc/passwd"), "ann:x:1001:1002::/home/ann:/bin/sh\n");
    writeFileSync(join(machine.hostPath(rootfs), "etc/group"), "staff:x:50:\naudio:x:29:\n");
    const OCI = ociSpec(rootfs, ["sh", "-c", "id -u; id -G; echo $HOME; sleep 1000"]);
    const wrong = { container_id, OCI, string_user: { uid: "bob" } };
    await expect(client.agent.createContainer(wrong)).rejects.toMatchObject({
      kind: "invalid-argument",
      message: `user "bob" is not in the container's /etc/passwd`,
    });
    await client.agent.createContainer({ ...wrong, string_user: { uid: "ann", additionalGids: ["audio"] } });
    await client.agent.startContainer({ container_id });
    const { data } = await client.agent.readStdout({ container_id, exec_id: "", len: 100 });
    expect(Buffer.from(data).toString()).toMatch(/^1001\n/);
    const exec = { container_id, exec_id: "by-name", process: { Args: ["id"], Env: ["PATH=/bin"], Cwd: "/" } };
    await client.agent.execProcess({ ...exec, string_user: { uid: "ann", gid: "staff" } });
    const { stdout } = await pod().finish(container_id, "by-name");
    expect(stdout.toString()).toBe("uid=1001(ann) gid=50(staff)\n");
    await pod().remove(container_id);
  });

  it("user.username is ignored beside a uid and refused alone, for a process and for an exec", async () => {
    const both = { User: { UID: 1000, GID: 1000, Username: "ann" } };
    expect(await inside("id -u", both)).toBe("1000\n");
    const id = await pod().start(["sleep", "1000"]);
    expect(await inExec(id, "id -u", both)).toBe("1000\n");
    await expect(pod().exec(id, ["id"], { User: { Username: "ann" } })).rejects.toMatchObject({
      kind: "invalid-argument",
      message: "OCI spec: process.user.username is not supported",
    });
    await pod().remove(id);
  });

  it("umask: a process has 022 or its user's; an exec has its own or the container's", async () => {
    expect(await inside("umask")).toBe("0022\n");
    const id = await pod().start([], withProcess("sleep 1000", { User: { Umask: 0o27 } }));
    expect(await inExec(id, "umask; touch /f; stat -c %a /f")).toBe("0027\n640\n");
    expect(await inExec(id, "umask", { User: { Umask: 0 } })).toBe("0000\n");
    await pod().remove(id);
  });

  it("scheduler and I/O priority: an exec inherits its container's", async () => {
    const process = {
      Scheduler: { Policy: "SCHED_BATCH", Nice: 7 },
      IOPriority: { Class: "IOPRIO_CLASS_BE", Priority: 6 },
    };
    // Nice, real-time priority, policy.
    const line = "ionice -p $$; cut -d' ' -f19,40,41 /proc/$$/stat";
    const expected = "best-effort: prio 6\n7 0 3\n";
    const id = await pod().start([], withProcess("sleep 1000", process));
    expect(await inside(line, process)).toBe(expected);
    expect(await inExec(id, line)).toBe(expected);
    // Nice has no effect here and stays the agent's.
    const idle = { Scheduler: { Policy: "SCHED_IDLE" } };
    expect(await inExec(id, line, idle)).toMatch(/^best-effort: prio 6\n\S+ 0 5\n$/);
    await pod().remove(id);
  });

  it.each<[RegExp, Init<grpc.Process>]>([
    [
      /^realtime: prio 2\n\S+ 5 1\n$/,
      { Scheduler: { Policy: "SCHED_FIFO", Priority: 5 }, IOPriority: { Class: "IOPRIO_CLASS_RT", Priority: 2 } },
    ],
    [/^idle\n9 0 0\n$/, { Scheduler: { Policy: "SCHED_OTHER", Nice: 9 }, IOPriority: { Class: "IOPRIO_CLASS_IDLE" } }],
  ])("scheduler and I/O priority: a process's stat matches %s", async (expected, process) => {
    expect(await inside("ionice -p $$; cut -d' ' -f19,40,41 /proc/$$/stat", process)).toMatch(expected);
  });

  it("scheduler: a process can have a real-time policy that its children don't inherit", async () => {
    const Scheduler = { Policy: "SCHED_RR", Priority: 3, Flags: ["SCHED_FLAG_RESET_ON_FORK"] };
    expect(await inside("cut -d' ' -f40,41 /proc/$$/stat /proc/self/stat; true", { Scheduler })).toBe("3 2\n0 0\n");
  });

  it("scheduler: a process can have a deadline if nothing restricts it to some processors", async () => {
    const Scheduler = { Policy: "SCHED_DEADLINE", Runtime: 1_000_000, Deadline: 9_000_000, Period: 10_000_000 };
    const { Process } = ociSpec("/", ["cut", "-d", " ", "-f", "40,41", "/proc/self/stat"]);
    const made = pod().run([], { Process: { ...Process, Scheduler } });
    if (pod().machine.real) expect((await made).stdout.toString()).toBe("0 6\n");
    else await made.catch(({ message }) => expect(message).toMatch(/^sched_setattr policy 6, .* process.scheduler$/));
    const wrong = { ...Scheduler, Runtime: 20_000_000 };
    await expect(pod().run([], { Process: { ...Process, Scheduler: wrong } })).rejects.toThrow(
      /^sched_setattr policy 6, .*(EINVAL|EPERM) .*from process.scheduler$/,
    );
  });

  it("execCPUAffinity: an exec has it, the first process doesn't", async (context) => {
    const all = await allowedProcessors(pod());
    if (/^\d+$/.test(all)) context.skip("only one processor: every exec runs on it");
    await execAffinity(pod(), all);
  });

  it("personality: a container and its execs see a 32-bit machine", async () => {
    const parts = { ...withProcess("sleep 1000"), ...withLinux({ Personality: { Domain: "LINUX32" } }) };
    const machine = (await inside("uname -m")).trim();
    const id = await pod().start([], parts);
    const seen = await inExec(id, "uname -m; cat /proc/1/personality");
    expect(seen).toMatch(/00000008\n/);
    if (machine === "x86_64") expect(seen).toMatch(/^i686\n/);
    await pod().remove(id);
  });

  it("domainname and sysctls of the container's own namespaces are set though /proc/sys is read-only", async () => {
    const Sysctl = { "kernel.shmmni": "123", "fs.mqueue.msg_max": "11", "net.ipv4.conf.lo.tag": "5" };
    const parts = { ...withLinux({ Sysctl }), Domainname: "example.test" };
    const line = `cd /proc/sys; cat kernel/shmmni fs/mqueue/msg_max net/ipv4/conf/lo/tag kernel/domainname
      echo 1 > kernel/shmmni`;
    expect(await inside(line, {}, parts)).toBe(
      "123\n11\n5\nexample.test\nsh: can't create kernel/shmmni: Read-only file system\n",
    );
  });

  it("consoleSize: an exec's terminal has that size", async () => {
    const id = await pod().start(["sleep", "1000"]);
    const process = { Terminal: true, ConsoleSize: { Height: 31, Width: 71 } };
    const exec_id = await pod().exec(id, ["stty", "size"], process);
    expect((await pod().drain("readStdout", id, exec_id)).toString()).toBe("31 71\r\n");
    await pod().remove(id);
  });

  it("a host's AppArmor profile and an unknown capability are ignored", async () => {
    const sets = { Bounding: ["CAP_KILL", "CAP_FLY"], Permitted: ["CAP_KILL"], Effective: ["CAP_KILL"] };
    const process = { ApparmorProfile: "cri-containerd.apparmor.d", Capabilities: sets };
    expect(await inside("grep -E 'CapEff|CapBnd' /proc/self/status", process)).toBe(
      "CapEff:\t0000000000000020\nCapBnd:\t0000000000000020\n",
    );
  });

  it("an AppArmor profile loaded in the guest applies to the process and to execs", async (context) => {
    const { machine } = pod();
    if (!machine.real) context.skip("profiles apply to a whole kernel, and this one is the test machine's");
    const rootfs = machine.rootfs(`apparmor-${Date.now().toString(36)}`);
    writeFileSync(join(machine.hostPath(rootfs), "profile"), apparmorProfile());
    await machine.shell(`cat ${rootfs}/profile > /sys/kernel/security/apparmor/.replace`);
    const line = "cat /proc/self/attr/apparmor/current; cat /etc/passwd";
    const confined = "guestd-test (enforce)\ncat: can't open '/etc/passwd': Permission denied\n";
    const parts = withProcess(`${line}; sleep 1000`, { ApparmorProfile: "guestd-test" });
    const id = await pod().start([], { ...parts, Root: { Path: rootfs } });
    expect(await inExec(id, line)).toBe(confined);
    expect(await inside(line, { ApparmorProfile: "guestd-test" })).toBe(confined);
    expect(await inside(line, { ApparmorProfile: "unconfined" })).toMatch(/^unconfined\nroot:/);
    await pod().remove(id);
  });

  describe("a spec with an impossible value", () => {
    it.each<[string, Init<grpc.Spec>]>([
      ["process.user.umask", withProcess("", { User: { Umask: 0o1000 } })],
      ["process.user.username", withProcess("", { User: { Username: "ann" } })],
      ["process.scheduler.policy", withProcess("", { Scheduler: { Policy: "SCHED_ISO" } })],
      ["process.ioPriority.class", withProcess("", { IOPriority: { Class: "x" } })],
      ["process.execCPUAffinity.final", withProcess("", { ExecCPUAffinity: { Final: "x" } })],
      ["process.rlimits RLIMIT_CPU", withProcess("", { Rlimits: [{ Type: "RLIMIT_CPU", Soft: 2, Hard: 1 }] })],
      ["process.rlimits", withProcess("", { Rlimits: [{ Type: "RLIMIT_LIFE", Soft: 1, Hard: 1 }] })],
      ['process.selinuxLabel "u:r:t:s0"', withProcess("", { SelinuxLabel: "u:r:t:s0" })],
      ['linux.mountLabel "u:r:t:s0"', withLinux({ MountLabel: "u:r:t:s0" })],
      ["linux.intelRdt", withLinux({ IntelRdt: {} })],
      ["linux.personality.flags", withLinux({ Personality: { Domain: "LINUX", Flags: ["x"] } })],
    ])("is refused by the name %s", async (name, parts) => {
      await expect(pod().create(["true"], parts)).rejects.toMatchObject({
        code: 3,
        message: expect.stringContaining(`OCI spec: ${name} `),
      });
    });

    it.each(["kernel.panic", "net/../kernel/panic"])(
      "is refused by the name linux.sysctl %s, and the machine's own value stays",
      async (name) => {
        const value = () => pod().machine.shell("cat /proc/sys/kernel/panic");
        const before = await value();
        const Sysctl = { [name]: String(Number(before) + 1000) };
        await expect(pod().create(["true"], withLinux({ Sysctl }))).rejects.toMatchObject({
          code: 3,
          message: expect.stringContaining(`OCI spec: linux.sysctl "${name}" `),
        });
        expect(await value()).toBe(before);
      },
    );
  });
}
