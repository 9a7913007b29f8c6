import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { keepsOwners, whyNoOwners } from "./keeps-owners.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

let count = 0;

/** Mounts with each option that runc and crun know, as the container sees them. */
export function mountScenarios(pod: () => Pod): void {
  const ordinary = (): Init<grpc.Mount>[] => [...(ociSpec("/", []).Mounts ?? [])];
  const output = async (line: string, mounts: Init<grpc.Mount>[], parts: Init<grpc.Spec> = {}): Promise<string> => {
    const { stdout, stderr } = await pod().run(["sh", "-c", line], { Mounts: [...ordinary(), ...mounts], ...parts });
    return stdout.toString() + stderr.toString();
  };
  /** Options of the mount and of its file system, without what the kernel adds by itself. */
  const optionsOf = async (type: string, options: string[]): Promise<string[]> => {
    const mount = { destination: "/m", source: type, type, options };
    const line = (await output("grep ' /m ' /proc/self/mountinfo", [mount])).trim().split(" ");
    return [line[5] ?? "", line.at(-1) ?? ""];
  };
  /** A directory of the guest with a mount in it, both tmpfs; it is left to the end of the machine. */
  const source = async (): Promise<string> => {
    const path = `/run/mounts-${++count}-${Date.now().toString(36)}`;
    const tmpfs = (at: string) => `mkdir -p ${at} && mount -t tmpfs -o mode=755 tmpfs ${at}`;
    await pod().machine.shell(
      `${tmpfs(path)} && ${tmpfs(`${path}/below`)} && echo hi > ${path}/file && chown 5:6 ${path}/file`,
    );
    return path;
  };

  it.each([
    [["nosuid", "nodev", "noexec"], "rw,nosuid,nodev,noexec,relatime"],
    [["ro", "noatime", "nodiratime"], "ro,noatime,nodiratime"],
    [["strictatime", "nosymfollow"], "rw,nosymfollow"],
    [["noatime", "relatime", "ro", "rw", "nosuid", "suid", "symfollow"], "rw,relatime"],
    [["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rnosymfollow"], "ro,nosuid,nodev,noexec,noatime,nosymfollow"],
    [["defaults", "async", "silent", "loud", "iversion", "nomand", "norelatime", "nostrictatime"], "rw,relatime"],
  ])("a new file system with %j", async (options, expected) => {
    expect((await optionsOf("tmpfs", options))[0]).toBe(expected);
  });

  it("sync, dirsync and lazytime are the file system's", async () => {
    expect((await optionsOf("tmpfs", ["sync", "dirsync", "lazytime", "size=64k"]))[1]).toMatch(
      /^rw,sync,dirsync,lazytime,size=64k/,
    );
  });

  it("a bind has its own attributes, one with an r those of all below it", async () => {
    const from = await source();
    const bind = (...options: string[]) => [{ destination: "/m", source: from, type: "bind", options }];
    const line = "grep -E ' /m(/below)? ' /proc/self/mountinfo | cut -d' ' -f5,6";
    expect(await output(line, bind("bind", "ro"))).toBe("/m ro,relatime\n");
    expect(await output(line, bind("rbind", "ro"))).toBe("/m ro,relatime\n/m/below rw,relatime\n");
    expect(await output(line, bind("rbind", "rro"))).toBe("/m ro,relatime\n/m/below ro,relatime\n");
    expect(await output(line, bind("rbind", "rnoexec", "rnoatime", "sync"))).toBe(
      "/m rw,noexec,noatime\n/m/below rw,noexec,noatime\n",
    );
    expect(await output(line, bind("rbind", "rro", "rw"))).toBe("/m ro,relatime\n/m/below ro,relatime\n");
  });

  it("a bind of what has every restriction: each option takes one off, with an r from all below it too", async () => {
    const from = await source();
    const all = ["nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"];
    const again = (at: string) => `mount -o remount,bind,ro,${all.join(",")} ${at}`;
    await pod().machine.shell(`${again(`${from}/below`)} && ${again(from)}`);
    const but = (option: string, ...instead: string[]) =>
      ["ro", ...all].flatMap((one) => (one === option ? instead : [one])).join(",");
    const kept = but("");
    const cases: readonly [options: readonly string[], itself: string, below: string][] = [
      [[], kept, kept],
      ...Object.entries({
        ...{ suid: but("nosuid"), dev: but("nodev"), exec: but("noexec"), symfollow: but("nosymfollow") },
        ...{ rw: `rw,${all.join(",")}`, diratime: but("nodiratime"), nodiratime: kept, strictatime: but("noatime") },
        // The kernel names relatime after nodiratime.
        ...Object.fromEntries(
          ["atime", "relatime"].map((word) => [word, but("noatime").replace("nodiratime", "nodiratime,relatime")]),
        ),
      }).flatMap(([option, left]): [string[], string, string][] => [
        [[option], left, kept],
        [[`r${option}`], left, left],
      ]),
      [["suid", "dev", "exec", "atime", "diratime", "symfollow", "rw"], "rw,relatime", kept],
      [["rsuid", "rdev", "rexec", "ratime", "rdiratime", "rsymfollow", "rrw"], "rw,relatime", "rw,relatime"],
      [["rdiratime", "diratime", "rnodiratime"], kept, kept],
      [["rrw", "ro"], `rw,${all.join(",")}`, `rw,${all.join(",")}`],
    ];
    const mounts = cases.map(([options], index) => ({
      ...{ destination: `/m${index}`, source: from, type: "bind", options: ["rbind", ...options] },
    }));
    const text = await output("grep -E ' /m[0-9]+(/below)? ' /proc/self/mountinfo | cut -d' ' -f5,6", mounts);
    const seen = new Map(
      text
        .trim()
        .split("\n")
        .map((row): [string, string] => [row.split(" ")[0] ?? "", row.split(" ")[1] ?? ""]),
    );
    const shown = cases.map(([options], index) => [options, seen.get(`/m${index}`), seen.get(`/m${index}/below`)]);
    expect(shown).toEqual(cases);
  });

  it("propagation is as the option says", async () => {
    const from = await source();
    await pod().machine.shell(`mount --make-rshared ${from}`);
    const bind = (...options: string[]) => [{ destination: "/m", source: from, type: "bind", options }];
    const line = "grep -E ' /m(/below)? ' /proc/self/mountinfo | sed 's/.*relatime *//;s/ *- .*//;s/[0-9]*//g'";
    expect(await output(line, bind("rbind"))).toBe("master:\nmaster:\n");
    expect(await output(line, bind("rbind", "rprivate"))).toBe("\n\n");
    expect(await output(line, bind("rbind", "private"))).toBe("\nmaster:\n");
    expect(await output(line, bind("rbind", "rshared"))).toBe("shared: master:\nshared: master:\n");
    expect(await output(line, bind("rbind", "runbindable"))).toBe("unbindable\nunbindable\n");
    const { Linux } = ociSpec("/", []);
    // Both ways: what is mounted in the container shows in the guest.
    const Linux2 = { ...Linux, RootfsPropagation: "rshared" };
    const { Process } = ociSpec("/", []);
    const Capabilities = { Bounding: ["CAP_SYS_ADMIN"], Effective: ["CAP_SYS_ADMIN"], Permitted: ["CAP_SYS_ADMIN"] };
    const id = await pod().start([], {
      ...{ Linux: Linux2, Mounts: [...ordinary(), ...bind("rbind", "rshared")] },
      Process: { ...Process, Capabilities, Args: ["sh", "-c", "mount -t tmpfs inner /m/below; sleep 1000"] },
    });
    const shown = async () => (await pod().machine.shell(`grep -c 'inner ${from}/below' /proc/mounts || true`)).trim();
    for (let tries = 0; tries < 100 && (await shown()) === "0"; tries++)
      await new Promise((done) => setTimeout(done, 20));
    expect(await shown()).toBe("1");
    await pod().remove(id);
  });

  it("remount changes what lies there: one mount, or its file system", async () => {
    const tmpfs = { destination: "/m", source: "tmpfs", type: "tmpfs", options: ["size=64k"] };
    const again = (...options: string[]) => ({ destination: "/m", source: "", type: "none", options });
    const line = "grep ' /m ' /proc/self/mountinfo | sed 's/.* \\/m //;s/ - .* / /;s/,inode.*//'";
    expect(await output(line, [tmpfs, again("remount", "bind", "ro", "nosuid")])).toMatch(
      /^ro,nosuid,relatime rw,size=64k/,
    );
    expect(await output(line, [tmpfs, again("remount", "size=128k", "nodev")])).toMatch(
      /^rw,nodev,relatime rw,size=128k/,
    );
    expect(await output(line, [tmpfs, again("remount", "ro")])).toMatch(/^ro,relatime ro,size=64k/);
  });

  it("a read-only tmpfs and /dev take mounts and devices first", async () => {
    const Mounts = ordinary().map((mount) =>
      mount.destination === "/dev" ? { ...mount, options: [...(mount.options ?? []), "ro"] } : mount,
    );
    const more = [
      { destination: "/t", source: "tmpfs", type: "tmpfs", options: ["ro"] },
      { destination: "/t/a/b", source: "/proc/version", type: "bind", options: ["bind"] },
    ];
    const line = "head -c 5 /t/a/b; echo; touch /t/x /dev/x; test -c /dev/null && echo dev";
    expect(await output(line, [], { Mounts: [...Mounts, ...more] })).toBe(
      "Linux\ndev\ntouch: /t/x: Read-only file system\ntouch: /dev/x: Read-only file system\n",
    );
  });

  it("missing targets are made of the source's kind, and missing sources as directories", async () => {
    const missing = `/run/missing-${++count}-${Date.now().toString(36)}/deep`;
    const bind = (source: string, destination: string) => ({ source, destination, type: "bind", options: ["rbind"] });
    const mounts = [bind(missing, "new/dir"), bind("/etc/hostname", "/new/file"), bind("/proc/sys", "/new/tree/")];
    const text = await output("test -f /new/file && test -d /new/tree/vm && ls /new/dir && echo all", mounts);
    expect(text).toBe("all\n");
    expect(await pod().machine.shell(`stat -c '%F %a' ${missing}`)).toBe("directory 755\n");
    await expect(output("true", [bind("/proc/version/x", "/new")])).rejects.toThrow(
      /^bind \(recursive\) \/proc\/version\/x: ENOTDIR .*mounts\[6\]$/,
    );
  });

  it("only a few files of /proc are covered", async () => {
    const bind = (destination: string) => [{ source: "/etc/hostname", destination, type: "bind", options: ["bind"] }];
    const host = await pod().machine.shell("cat /etc/hostname");
    expect(await output("cat /proc/uptime", bind("/proc/uptime"))).toBe(host);
    for (const path of ["/proc/version", "/proc/sys/kernel/hostname", "/proc//../proc/1/attr"]) {
      await expect(output("true", bind(path))).rejects.toThrow(`OCI spec: mounts[6] (${path}) is inside /proc`);
    }
    await expect(output("true", bind("/proc"))).rejects.toThrow(
      "covers /proc with something other than a proc file system",
    );
    const rootfs = pod().machine.rootfs(`proc-${++count}-${Date.now().toString(36)}`);
    await pod().machine.shell(`ln -s /proc/sys/kernel ${rootfs}/innocent`);
    await expect(output("true", bind("/innocent/hostname"), { Root: { Path: rootfs } })).rejects.toThrow(
      /^mount on \/innocent\/hostname: EPERM .*mounts\[6\]$/,
    );
  });

  it("proc, sysfs, mqueue and cgroup with their options", async () => {
    const mounts = [
      { destination: "/p", source: "proc", type: "proc", options: ["hidepid=2", "subset=pid", "nosuid"] },
      { destination: "/c", source: "cgroup", type: "cgroup", options: ["ro", "nosuid", "relatime"] },
      { destination: "/q", source: "mqueue", type: "mqueue", options: ["noexec"] },
    ];
    const line =
      "ls /p | grep -c cpuinfo; grep -E ' /[pcq] ' /proc/self/mounts; grep -c . /c/cgroup.procs; cat /proc/self/cgroup";
    const text = await output(line, mounts);
    expect(text).toMatch(/^0\nproc \/p proc rw,nosuid,relatime,hidepid=(2|invisible),subset=pid 0 0\n/);
    expect(text).toMatch(/\ncgroup \/c cgroup2 ro,nosuid,relatime.* 0 0\nmqueue \/q mqueue rw,noexec,relatime 0 0\n/);
    // Rooted in the container's own cgroup: its two processes are in there, and it sees no path above.
    expect(text).toMatch(/\n2\n(.*\n)*0::\/\n$/);
  });

  it("destinations may be the same, nested, or the root itself", async () => {
    const tmpfs = (destination: string, size: string) => ({
      destination,
      source: "t",
      type: "tmpfs",
      options: [`size=${size}`],
    });
    const text = await output(
      "grep -E ' /d(/\\S*)? ' /proc/self/mounts | sed 's/^t //;s/ tmpfs .*size=/ /;s/k[ ,].*/k/'",
      [...[tmpfs("/d", "64k"), tmpfs("/d", "128k"), tmpfs("/d/e/f", "256k"), tmpfs("/d/e", "512k")]],
    );
    expect(text).toBe("/d 64k\n/d 128k\n/d/e/f 256k\n/d/e 512k\n");
    const rootfs = pod().machine.rootfs(`root-${++count}-${Date.now().toString(36)}`);
    const Mounts = [{ destination: "/", source: rootfs, type: "bind", options: ["bind", "nodev"] }, ...ordinary()];
    const bare = pod().machine.rootfs(`bare-${++count}-${Date.now().toString(36)}`);
    await pod().machine.shell(`touch ${rootfs}/marked`);
    expect(await output("ls -d /marked /proc/self", [], { Mounts, Root: { Path: bare } })).toBe(
      "/marked\n/proc/self\n",
    );
  });

  it.skipIf(!keepsOwners)(
    `tmpfs: the mode of what it covers, and with tmpcopyup its content${whyNoOwners}`,
    async () => {
      const rootfs = pod().machine.rootfs(`up-${++count}-${Date.now().toString(36)}`);
      const set = [
        ...["mkdir -p var/a/b plain", "echo text > var/a/file", "chmod 640 var/a/file", "chown 5:6 var/a/file"],
        ...[
          "ln -s /nowhere var/link",
          "mkfifo var/fifo",
          "mknod var/node c 1 3",
          "chmod 751 var plain",
          "chmod 4755 var/a/b",
        ],
      ];
      await pod().machine.shell(`cd ${rootfs} && ${set.join(" && ")} && head -c 3000000 /dev/urandom > var/large`);
      const tmpfs = (destination: string, ...options: string[]) => ({
        destination,
        source: "t",
        type: "tmpfs",
        options,
      });
      const mounts = [
        tmpfs("/var", "tmpcopyup", "ro", "size=8m"),
        tmpfs("/plain"),
        tmpfs("/new"),
        tmpfs("/given", "mode=711"),
      ];
      const line = [
        "stat -c '%a %n' /var /plain /new /given; cd /var; find . | sort; cat a/file; readlink link",
        "stat -c '%F %a %u:%g %t:%T' a/file fifo node a/b; md5sum < large; touch x",
      ].join("; ");
      const sum = (await pod().machine.shell(`md5sum < ${rootfs}/var/large`)).trim();
      expect(await output(line, mounts, { Root: { Path: rootfs } })).toBe(
        [
          ...["751 /var", "751 /plain", "755 /new", "711 /given"],
          ...[".", "./a", "./a/b", "./a/file", "./fifo", "./large", "./link", "./node", "text", "/nowhere"],
          ...["regular file 640 5:6 0:0", "fifo 644 0:0 0:0", "character special file 644 0:0 1:3"],
          ...["directory 4755 0:0 0:0", sum, "touch: x: Read-only file system\n"],
        ].join("\n"),
      );
      const bind = { destination: "/m", source: "/etc", type: "bind", options: ["bind", "tmpcopyup"] };
      await expect(output("true", [bind])).rejects.toThrow('option "tmpcopyup" is for a new tmpfs only');
    },
  );

  it("options of a file system at a bind mount are passed over, as mount(2) does", async () => {
    const options = ["bind", "ro", "size=1k", "mode=700"];
    const mounts = [{ destination: "/m", source: "/etc", type: "bind", options }];
    expect(await output("touch /m/x 2>&1; stat -c %a /m", mounts)).toMatch(/Read-only file system\n755\n$/);
  });

  it("options that nothing carries are refused by name", async () => {
    const bind = (...options: string[]) => [
      { destination: "/m", source: "/etc", type: "bind", options: ["bind", ...options] },
    ];
    await expect(output("true", bind("copy-symlink"))).rejects.toThrow(
      'OCI spec: mounts[6] (/m) option "copy-symlink" is not supported',
    );
    await expect(output("true", bind("remount", "rro"))).rejects.toThrow(
      `option "remount" can't be combined with recursive`,
    );
  });
}
