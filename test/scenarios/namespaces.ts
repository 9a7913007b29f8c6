import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { keepsOwners, whyNoOwners } from "./keeps-owners.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";
import { shiftedRootfs } from "./shifted-rootfs.ts";

const MAP = { ContainerID: 0, HostID: 100_000, Size: 65_536 };
const MAPS = { UIDMappings: [MAP], GIDMappings: [MAP] };

/** Scenarios of namespaces of every kind, seen from inside the container. */
export function namespaceScenarios(pod: () => Pod): void {
  const linux = (types: readonly string[], parts: Init<grpc.Linux> = {}): Init<grpc.Spec> => {
    const { Linux } = ociSpec("/", []);
    return { Linux: { ...Linux, Namespaces: types.map((Type) => ({ Type })), ...parts } };
  };
  const ORDINARY = ["ipc", "uts", "mount", "pid"];
  const output = async (line: string, parts: Init<grpc.Spec>): Promise<string> => {
    const { stdout, stderr } = await pod().run(["sh", "-c", line], parts);
    return stdout.toString() + stderr.toString();
  };
  const shifted = () => shiftedRootfs(pod().machine);

  it.skipIf(!keepsOwners)(
    `user: ids are mapped, root inside is unprivileged outside, and it may mount${whyNoOwners}`,
    async () => {
      const line = [
        "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -u; id -G; stat -c %u /proc/1",
        "echo $$; mount -t tmpfs x /tmp && echo mounted; touch /made; stat -c %u:%g /made",
        "echo out > /dev/stdout; for n in null zero full random urandom tty; do test -c /dev/$n && printf $n,; done",
        "echo x > /dev/null && test -d /sys/kernel && ls /dev/mqueue && echo end",
      ].join("\n");
      const parts = { ...linux([...ORDINARY, "user"], MAPS), Root: { Path: await shifted() } };
      const { Process } = ociSpec("/", ["sh", "-c", line]);
      const all = ["CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_DAC_OVERRIDE"];
      const Capabilities = { Bounding: all, Effective: all, Permitted: all };
      expect(await output(line, { ...parts, Process: { ...Process, Capabilities } })).toBe(
        " 0 100000 65536\n 0 100000 65536\n0\n0\n0\n1\nmounted\n0:0\nout\nnull,zero,full,random,urandom,tty,end\n",
      );
    },
  );

  it("user: the guest sees the mapped ids, and new namespaces belong to the user namespace", async () => {
    const types = [...ORDINARY, "user", "network", "cgroup"];
    const parts = { ...linux(types, MAPS), Root: { Path: await shifted() } };
    const line = "hostname mine 2>&1; ip link set lo up && echo up; ls /sys/class/net; sleep 1000";
    const { Process } = ociSpec("/", ["sh", "-c", line]);
    const all = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SETUID", "CAP_SETGID"];
    const Capabilities = { Bounding: all, Effective: all, Permitted: all };
    const id = await pod().start([], { ...parts, Process: { ...Process, Capabilities } });
    let text = "";
    while (!text.includes("lo\n")) {
      const { data } = await pod().client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
      text += Buffer.from(data).toString();
    }
    // The uts namespace is the pod's, over which the container's root has no power.
    expect(text).toBe("hostname: sethostname: Operation not permitted\nup\nlo\n");
    const exec = await pod().execute(
      id,
      ["sh", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status; echo > /dev/stdout"],
      {
        User: { UID: 1000, GID: 100, AdditionalGids: [7] },
      },
    );
    expect(exec.stdout.toString()).toBe("1000\n100\n100 7\nCapEff:\t0000000000000000\n\n");
    const root = await pod().execute(id, [
      "sh",
      "-c",
      "id -u; cat /proc/self/uid_map | tr -s ' '; grep CapEff /proc/self/status",
    ]);
    expect(root.stdout.toString()).toBe("0\n 0 100000 65536\nCapEff:\t00000000002010c0\n");
    const tty = await pod().exec(id, ["sh", "-c", "tty; stat -c %u $(tty)"], { Terminal: true });
    expect((await pod().drain("readStdout", id, tty)).toString()).toMatch(/^\/dev\/pts\/\d+\r\n0\r\n$/);
    await pod().remove(id);
  });

  it("user: the container owns its cgroup if that is mounted writable, but not its limits", async () => {
    const line =
      "cd /sys/fs/cgroup; stat -c %u . cgroup.procs cgroup.freeze; mkdir below && echo $$ > below/cgroup.procs";
    const { Mounts = [] } = ociSpec("/", []);
    const of = async (options: string[]) => {
      const mount = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options };
      const parts = { ...linux([...ORDINARY, "user"], MAPS), Root: { Path: await shifted() } };
      return output(`${line} && grep ^0: /proc/self/cgroup`, { ...parts, Mounts: [...(Mounts ?? []), mount] });
    };
    expect(await of([])).toBe("0\n0\n65534\n0::/below\n");
    expect(await of(["ro"])).toMatch(/^65534\n65534\n65534\nmkdir: .*Read-only/);
  });

  it("user: a host name is set in the pod's uts namespace, as without a user namespace", async () => {
    const parts = { ...linux([...ORDINARY, "user"], MAPS), Root: { Path: await shifted() }, Hostname: "of-user" };
    expect(await output("hostname", parts)).toBe("of-user\n");
    expect(await output("hostname", { ...linux(ORDINARY), Hostname: "pod-host" })).toBe("pod-host\n");
  });

  it("user: the mqueue file system that the agent mounts has the spec's source", async () => {
    const parts = { ...linux([...ORDINARY, "user"], MAPS), Root: { Path: await shifted() } };
    const line = "grep /dev/mqueue /proc/self/mountinfo | sed 's/.* - //' | cut -d ' ' -f 1,2";
    expect(await output(line, parts)).toBe("mqueue mqueue\n");
  });

  it("user: a container's terminal belongs to the group that the spec names", async () => {
    const { Process } = ociSpec("/", ["sh", "-c", "tty; stat -c %u:%g $(tty); ls -l /dev/console | cut -c1; id -u"]);
    const parts = { ...linux([...ORDINARY, "user"], MAPS), Root: { Path: await shifted() } };
    const id = await pod().start([], { ...parts, Process: { ...Process, Terminal: true } });
    const text = (await pod().drain("readStdout", id, id)).toString();
    expect(text).toBe("/dev/pts/0\r\n0:5\r\nc\r\n0\r\n");
    await pod().remove(id);
  });

  it("user: rlimits can exceed the guest's, because the guest's root sets them", async () => {
    const { Process } = ociSpec("/", []);
    const limit = pod().machine.real ? 1_000_000 : 1000; // a host's test may itself lack CAP_SYS_RESOURCE
    const Rlimits = [{ Type: "RLIMIT_NOFILE", Soft: limit, Hard: limit }];
    const parts = { ...linux([...ORDINARY, "user"], MAPS), Root: { Path: await shifted() } };
    const Args = ["sh", "-c", "ulimit -Hn"];
    expect(await output("", { ...parts, Process: { ...Process, Args, Rlimits } })).toBe(`${limit}\n`);
  });

  it("user: maps that the kernel refuses, or that lack root, fail in one line", async () => {
    const twice = { UIDMappings: [MAP, MAP], GIDMappings: [MAP] };
    await expect(pod().run(["true"], linux([...ORDINARY, "user"], twice))).rejects.toThrow(
      /^OCI spec: linux.uidMappings are refused by the kernel: EINVAL$/,
    );
    const rootless = { UIDMappings: [{ ...MAP, ContainerID: 5 }], GIDMappings: [MAP] };
    await expect(pod().run(["true"], linux([...ORDINARY, "user"], rootless))).rejects.toThrow("has no container id 0");
  });

  it("user: a device is the guest's own node of that path, with its number, mode and owner", async () => {
    const at = `/run/nodes-${Date.now().toString(36)}`;
    await pod().machine.shell(
      `mkdir ${at} && mount -t tmpfs -o mode=755 tmpfs ${at} && mknod ${at}/zero c 1 5 && chmod 640 ${at}/zero && chown 100003:100000 ${at}/zero`,
    );
    const device = { Path: `${at}/zero`, Type: "c", Major: 1, Minor: 5, FileMode: 0o666, UID: 7, GID: 7 };
    const withDevices = async (...Devices: Init<grpc.LinuxDevice>[]): Promise<Init<grpc.Spec>> => ({
      ...linux([...ORDINARY, "user"], { ...MAPS, Devices }),
      Root: { Path: await shifted() },
    });
    const line = `stat -c '%F %t:%T %a %u:%g' ${at}/zero; head -c 2 ${at}/zero | od -An -tx1`;
    expect(await output(line, await withDevices(device))).toBe("character special file 1:5 640 3:0\n 00 00\n");
    await expect(output("true", await withDevices({ ...device, Path: `${at}/none` }))).rejects.toThrow(
      new RegExp(`^bind ${at}/none: ENOENT .*from linux.devices\\[0\\]$`),
    );
    await pod().machine.shell(`umount ${at} && rmdir ${at}`);
  });

  it("time: a container and its execs have the spec's clock offsets", async () => {
    const TimeOffsets = { boottime: { Secs: 1_000_000, Nanosecs: 5 }, monotonic: { Secs: 77 } };
    const id = await pod().start(["sleep", "1000"], linux([...ORDINARY, "time"], { TimeOffsets }));
    const { stdout } = await pod().execute(id, [
      "sh",
      "-c",
      "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets | tr -s ' '",
    ]);
    const [uptime, ...offsets] = stdout.toString().trim().split("\n");
    expect(Number(uptime)).toBeGreaterThan(1_000_000);
    expect(offsets).toEqual(["monotonic 77 0", "boottime 1000000 5"]);
    await pod().remove(id);
    const first = await output(
      "cut -d. -f1 /proc/uptime",
      linux([...ORDINARY, "user", "time"], { TimeOffsets, ...MAPS }),
    );
    expect(Number(first)).toBeGreaterThan(1_000_000);
    await expect(pod().run(["true"], linux(ORDINARY, { TimeOffsets }))).rejects.toThrow(
      'OCI spec: linux.timeOffsets["boottime"] needs a new time namespace',
    );
  });

  it("rootfsPropagation: the root has that propagation, and mounts inside don't show outside", async () => {
    const root = async (word: string) => {
      const line = "awk '$5 == \"/\"' /proc/self/mountinfo | sed 's/ - .*//'";
      return (await output(line, linux(ORDINARY, { RootfsPropagation: word }))).trim();
    };
    for (const word of ["", "slave", "rslave", "private", "rprivate"])
      expect(await root(word), word).not.toContain("shared");
    for (const word of ["shared", "rshared"]) expect(await root(word), word).toMatch(/shared:\d+/);
    for (const word of ["unbindable", "runbindable"]) expect(await root(word), word).toContain("unbindable");
    expect(await pod().machine.shell("grep -c /rootfs/proc /proc/mounts || true")).toBe("0\n");
    await expect(root("odd")).rejects.toThrow('OCI spec: linux.rootfsPropagation "odd" is not one of');
  });
}
