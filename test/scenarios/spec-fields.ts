import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/**
 * Scenarios of fields of an OCI spec, seen from inside a container of another runtime. The conformance suite has cases of them
 * for the built-in one.
 */
export function specFieldScenarios(pod: () => Pod): void {
  /** Returns what `line` prints in a container with these parts of a process and a spec. */
  const inside = async (line: string, process: object = {}, parts: object = {}): Promise<string> => {
    const { Process } = ociSpec("/", ["sh", "-c", line]);
    const { stdout, stderr } = await pod().run([], { Process: { ...Process, ...process }, ...parts });
    return stdout.toString() + stderr.toString();
  };

  it("args, env and cwd apply as given, HOME comes from the container's passwd, and a missing directory is created", async () => {
    const process = { Env: ["PATH=/bin", "GREETING=hello there"], Cwd: "/made/here" };
    expect(await inside('pwd; echo "$GREETING"; echo $HOME; echo $0', process)).toBe(
      "/made/here\nhello there\n/root\nsh\n",
    );
  });

  it("user: uid, gid and additional groups apply", async () => {
    const User = { UID: 1000, GID: 100, AdditionalGids: [7, 42] };
    expect(await inside("id -u; id -g; id -G; echo $HOME", { User })).toBe("1000\n100\n100 7 42\n/home/ann\n");
  });

  it("rlimits, oom_score_adj and no_new_privs apply", async () => {
    const Rlimits = [{ Type: "RLIMIT_NOFILE", Soft: 123, Hard: 456 }];
    const line = "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status";
    expect(await inside(line, { Rlimits, OOMScoreAdj: 777 })).toBe("123\n456\n777\nNoNewPrivs:\t1\n");
    expect(await inside("grep NoNewPrivs /proc/self/status", { NoNewPrivileges: false })).toBe("NoNewPrivs:\t0\n");
  });

  it("capabilities: each set applies", async () => {
    const Capabilities = {
      Bounding: ["CAP_KILL", "CAP_SETUID"],
      Effective: ["CAP_KILL"],
      Permitted: ["CAP_KILL", "CAP_SETUID"],
      Inheritable: ["CAP_KILL"],
      Ambient: ["CAP_KILL"],
    };
    const User = { UID: 1000, GID: 100 };
    const text = await inside("grep ^Cap /proc/self/status", { Capabilities, User });
    // Across execve an ordinary user keeps ambient capabilities only.
    expect(text.replace(/\t0+/g, " ")).toBe("CapInh: 20\nCapPrm: 20\nCapEff: 20\nCapBnd: a0\nCapAmb: 20\n");
  });

  it("hostname: a container has the pod's", async () => {
    expect(await inside("hostname")).toBe("pod-host\n");
  });

  it("masked and read-only paths and a read-only root apply", async () => {
    const { Linux } = ociSpec("/", []);
    const parts = { Linux: { ...Linux, MaskedPaths: ["/proc/version", "/sys/kernel", "/not/there"] } };
    const line = "wc -c < /proc/version; ls /sys/kernel; echo 1 > /proc/sys/vm/drop_caches; echo end";
    const text = await inside(line, {}, parts);
    expect(text).toMatch(/^0\nend\nsh: can't create \/proc\/sys\/vm\/drop_caches: Read-only file system\n$/);
    const rootfs = pod().machine.rootfs(`ro-${Date.now().toString(36)}`);
    const readonly = await inside("echo x > /file; echo end", {}, { Root: { Path: rootfs, Readonly: true } });
    expect(readonly).toBe("end\nsh: can't create /file: Read-only file system\n");
  });

  it("only the given paths become read-only, and a missing one is ignored", async () => {
    const { Linux } = ociSpec("/", []);
    const parts = { Linux: { ...Linux, MaskedPaths: [], ReadonlyPaths: ["/dev/shm", "/proc/uptime", "/not/there"] } };
    const line = "touch /dev/shm/x; echo > /proc/uptime; wc -c < /proc/keys > /x; test -w /proc/sys/vm && echo end";
    expect(await inside(line, {}, parts)).toBe(
      "end\ntouch: /dev/shm/x: Read-only file system\nsh: can't create /proc/uptime: Read-only file system\n",
    );
  });

  it("mounts have their options, and the default devices and links exist", async () => {
    const Mounts = [
      ...(ociSpec("/", []).Mounts ?? []),
      { destination: "/data/deep", source: "tmpfs", type: "tmpfs", options: ["ro", "nosuid", "size=64k"] },
      { destination: "/data/bind", source: "/proc/version", type: "bind", options: ["bind", "ro"] },
    ];
    const text = await inside("grep ' /data' /proc/self/mounts; head -c 5 /data/bind", {}, { Mounts });
    expect(text).toMatch(/ \/data\/deep tmpfs ro,nosuid,relatime,size=64k\S* 0 0\n.* \/data\/bind proc ro,.*\nLinux$/);
    const devices = "for n in null zero full random urandom tty; do test -c /dev/$n && echo $n; done";
    expect(await inside(`${devices}; readlink /dev/fd; readlink /dev/ptmx; echo x > /dev/null; ls /dev/pts`)).toBe(
      "null\nzero\nfull\nrandom\nurandom\ntty\n/proc/self/fd\npts/ptmx\nptmx\n",
    );
  });

  it("limits on resources that the guest lacks are ignored", async () => {
    const Resources = { HugepageLimits: [{ Pagesize: "512MB", Limit: 0 }], Unified: { "memory.swap.max": "0" } };
    const { Linux } = ociSpec("/", []);
    expect(await inside("echo on", {}, { Linux: { ...Linux, Resources } })).toBe("on\n");
  });

  it("namespaces: a container has its own mount, pid, network and cgroup namespaces", async () => {
    const line = "for n in mnt pid net cgroup; do readlink /proc/self/ns/$n; done";
    const { Linux } = ociSpec("/", []);
    const types = ["mount", "ipc", "uts", "pid", "network", "cgroup"];
    const parts = { Linux: { ...Linux, Namespaces: types.map((Type) => ({ Type })) } };
    const mine = (await inside(line, {}, parts)).trim().split("\n");
    const guests = (await pod().machine.shell(line)).trim().split("\n");
    expect(mine).toHaveLength(4);
    for (const [index, link] of mine.entries()) expect(link).not.toBe(guests[index]);
  });

  it("an ephemeral storage is a tmpfs with the requested size", async () => {
    const text = await pod().machine.shell("grep ' /run/kata-containers/sandbox/shm ' /proc/mounts");
    expect(text).toMatch(/^shm \S+ tmpfs rw,nosuid,nodev,noexec,.*size=65536k/);
  });
}
