import { chownSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import type { InitClient } from "../../agent/kernel/init-client.ts";
import type { PlanOp } from "../../agent/kernel/plan.ts";
import { enterRootfs, mountOf, mountProc, pivot } from "./container-plan.ts";
import { type RelayedInit, startRelayedInit, sys } from "./relayed-init.ts";
import { makeRootfs } from "./rootfs.ts";
import { EXTRA, execute, failure, launch, run, shell, stdio } from "./run-plan.ts";
import { describeInit } from "./variants.ts";

const ENOENT = 2;
const EACCES = 13;
const EEXIST = 17;
const EINVAL = 22;
const ELOOP = 40;

describeInit("every operation does what it says", (binary) => {
  let init: RelayedInit;
  let agent: InitClient;
  let rootfs: string;

  beforeAll(async () => {
    init = await startRelayedInit({ init: binary });
    agent = await init.nextAgent();
    rootfs = makeRootfs(init.shared);
  });
  afterAll(async () => init[Symbol.asyncDispose]());

  /** Output of a script in a pivoted rootfs after the given operations. */
  async function inside(ops: readonly PlanOp[], script: string, after: readonly PlanOp[] = []): Promise<string> {
    const plan = [...enterRootfs(rootfs), ...mountProc, ...ops, pivot, stdio, ...after, ...shell(script)];
    const finished = await run(agent, plan);
    expect(failure(plan, finished)).toMatch(/^executed/);
    return finished.output.trim();
  }
  /** How a plan in the rootfs fails. */
  async function failing(ops: readonly PlanOp[]): Promise<string> {
    const plan = [...enterRootfs(rootfs), ...ops, pivot, stdio, ...shell("true")];
    return failure(plan, await run(agent, plan));
  }

  test("unshare, sethostname and setdomainname give names of one's own", async () => {
    const plan: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWUTS },
      { op: "sethostname", name: "box" },
      { op: "setdomainname", name: "example.org" },
      stdio,
      ...shell("cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname"),
    ];
    expect((await run(agent, plan)).output).toBe("box\nexample.org\n");
  });

  test("setns by a pidfd joins several namespaces at once", async () => {
    const first: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWUTS | abi.CLONE_NEWIPC },
      { op: "sethostname", name: "joined" },
      stdio,
      ...execute(["/bin/sleep", "30"]),
    ];
    await using target = await launch(agent, first);
    await target.report.next();
    const flags = abi.CLONE_NEWUTS | abi.CLONE_NEWIPC;
    const plan: PlanOp[] = [
      { op: "setns", slot: EXTRA, flags },
      stdio,
      ...shell("hostname; readlink /proc/self/ns/ipc"),
    ];
    const [name, ipc] = (await run(agent, plan, { extra: [target.process.pidfd] })).output.split("\n");
    expect(name).toBe("joined");
    expect(ipc).not.toBe(readlinkSync("/proc/self/ns/ipc"));
    sys.signal(target.process.pidfd, abi.SIGKILL);
    expect((await target.process.exit).code).toBe(137);
  });

  test("own-root is the root of a mount namespace that was joined, and exit ends a plan that runs nothing", async () => {
    const enter = [...enterRootfs(rootfs), ...mountProc, pivot, stdio];
    await using target = await launch(agent, [...enter, ...shell("read go; grep -o ' /tmp/new.*tmpfs ' /proc/mounts")]);
    await target.report.next();
    const plan: PlanOp[] = [
      { op: "setns", slot: EXTRA, flags: abi.CLONE_NEWNS },
      { op: "own-root" },
      ...mountOf("tmpfs", "/tmp/new/shared"),
      { op: "exit" },
    ];
    await using finished = await launch(agent, plan, { extra: [target.process.pidfd] });
    expect(await finished.report.next()).toEqual({ kind: "executed" });
    expect((await finished.process.exit).code).toBe(0);
    sys.write(target.stdin, Buffer.from("go\n"));
    expect(await target.text()).toBe(" /tmp/new/shared tmpfs \n");
    await target.process.exit;
  });

  test("setsid makes a session, and ctty gives it a terminal", async () => {
    const devpts = sys.openat2(0, join("/proc", String(await init.running.pid()), "root/dev/pts"), abi.O_DIRECTORY, 0);
    const master = sys.openTerminal(devpts);
    const peer = sys.terminalPeer(master);
    const plan: PlanOp[] = [
      { op: "setsid" },
      { op: "stdio", stdin: EXTRA, stdout: EXTRA, stderr: EXTRA },
      { op: "ctty" },
      ...shell(
        "read -r pid comm state ppid pgrp session tty rest < /proc/self/stat; test $tty != 0 && test $pid = $session && echo own",
      ),
    ];
    await using launched = await launch(agent, plan, { extra: [peer] });
    expect((await launched.process.exit).code).toBe(0);
    const text = new Uint8Array(64);
    expect(Buffer.from(text.subarray(0, sys.read(master, text))).toString()).toBe("own\r\n");
    for (const fd of [devpts, master, peer]) sys.close(fd);
  });

  test("session-keyring leaves the keys of the guest behind", async () => {
    const keyrings = (text: string): readonly string[] => text.match(/^[0-9a-f]+(?=.* keyring +_ses: empty$)/gm) ?? [];
    const before = keyrings(readFileSync("/proc/keys", "utf8"));
    const inside = (await run(agent, [{ op: "session-keyring" }, stdio, ...shell("cat /proc/keys")])).output;
    expect(keyrings(inside).filter((serial) => !before.includes(serial))).not.toEqual([]);
  });

  test("write puts a text into a file of the guest, and a missing file is ENOENT", async () => {
    const path = join(init.shared, "written");
    writeFileSync(path, "....");
    const plan: PlanOp[] = [{ op: "write", path, data: "ok" }, stdio, ...shell("true")];
    await run(agent, plan);
    expect(readFileSync(path, "utf8")).toBe("ok..");
    const missing: PlanOp[] = [{ op: "write", path: `${path}-not`, data: "" }, ...plan];
    expect(failure(missing, await run(agent, missing))).toBe(`write: errno ${ENOENT}`);
  });

  test("pivot leaves nothing of the guest's mounts or files", async () => {
    const text = await inside([], "ls -d /bin /work /proc/1 /usr 2>&1; cut -d' ' -f2 /proc/self/mounts");
    expect(text).toContain("/bin\n");
    expect(text.split("\n").slice(-2)).toEqual(["/", "/proc"]);
    expect(text).toMatch(/\/usr: No such file/);
    expect(text).toMatch(/\/work: No such file/);
  });

  test("a mount in the container is not seen outside", async () => {
    await inside(mountOf("tmpfs", "/data"), "true");
    expect(readFileSync(`/proc/${await init.running.pid()}/mounts`, "utf8")).not.toContain(rootfs);
  });

  test("fsopen, fsconfig, fsmount and attach mount a file system with its options, parents made on the way", async () => {
    const ops = mountOf("tmpfs", "/made/on/the/way", [
      ["size", "1m"],
      ["mode", "700"],
    ]);
    const text = await inside(ops, "grep /made /proc/self/mounts; stat -c %a /made/on/the /made/on/the/way");
    expect(text).toMatch(/^none \/made\/on\/the\/way tmpfs rw,nosuid,relatime,size=1024k,mode=700/);
    expect(text).toMatch(/\n755\n700$/);
  });

  test("a failed mount reports the kernel's own message", async () => {
    expect(await failing(mountOf("tmpfs", "/data", [["siize", "1m"]]))).toBe(
      `fsconfig: errno ${EINVAL} (tmpfs: Unknown parameter 'siize')`,
    );
  });

  test("open-tree binds a directory of the guest, and setattr makes it read-only with all below", async () => {
    const source = join(init.shared, "source");
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "hello"), "hello\n");
    const set = abi.MOUNT_ATTR_RDONLY | abi.MOUNT_ATTR_NOEXEC;
    const ops: PlanOp[] = [
      { op: "open-tree", from: "guest", path: source, recursive: true },
      { op: "setattr", set, clear: 0, propagation: abi.MS_PRIVATE, recursive: true },
      { op: "attach", target: "/data/bound", overProc: false },
    ];
    const text = await inside(ops, "cat /data/bound/hello; touch /data/bound/x 2>&1; grep bound /proc/self/mounts");
    expect(text).toMatch(/^hello\ntouch: .*Read-only file system\n.*\/data\/bound ext4 ro,noexec/);
  });

  test("open-tree from the root binds a file of the container, and attach makes the empty file for it", async () => {
    const ops: PlanOp[] = [
      { op: "open-tree", from: "root", path: "/etc/secret", recursive: false },
      { op: "attach", target: "/data/sub/copy", overProc: false },
    ];
    expect(await inside(ops, "cat /data/sub/copy")).toBe("secret");
    expect(lstatSync(join(rootfs, "data/sub/copy")).size).toBe(0);
  });

  test("open-tree-slot clones a mount by its descriptor, and take-mount takes a detached one", async () => {
    const directory = sys.openat2(0, join("/proc", String(await init.running.pid()), "root/etc"), abi.O_PATH, 0);
    const detached = sys.detachedMount("tmpfs", [["mode", "711"]], 0);
    const plan: PlanOp[] = [
      { op: "open-tree-slot", slot: EXTRA, recursive: false },
      { op: "unshare", flags: abi.CLONE_NEWNS },
      { op: "propagate", path: "/", flags: abi.MS_REC | abi.MS_PRIVATE },
      { op: "root", path: rootfs },
      { op: "take-mount", slot: EXTRA + 1 },
      { op: "attach", target: "/opt", overProc: false },
      stdio,
      ...shell(`ls ${rootfs}/passwd; stat -c %a ${rootfs}/opt`),
    ];
    const finished = await run(agent, plan, { extra: [directory, detached] });
    expect(failure(plan, finished)).toMatch(/^executed/);
    expect(finished.output).toBe(`${rootfs}/passwd\n711\n`);
    sys.close(directory);
    sys.close(detached);
  });

  test("mkdir makes what is missing with the exact mode and leaves what is there", async () => {
    const ops: PlanOp[] = [
      { op: "mkdir", path: "/fresh/one", mode: 0o1777 },
      { op: "mkdir", path: "/bin", mode: 0o700 },
    ];
    expect(await inside(ops, "stat -c %a /fresh /fresh/one /bin; umask")).toBe("755\n1777\n755\n0022");
    expect(await failing([{ op: "mkdir", path: "/etc/secret", mode: 0o755 }])).toBe("mkdir: errno 20");
  });

  test("mknod makes a device with exact mode and owner, leaves the same one, and refuses another", async () => {
    const node = {
      op: "mknod",
      path: "/nodes/zero",
      mode: abi.S_IFCHR | 0o666,
      major: 1,
      minor: 5,
      uid: 7,
      gid: 8,
    } as const;
    const text = await inside([node, node], "stat -c '%a %u %g %t,%T' /nodes/zero");
    expect(text).toBe("666 7 8 1,5");
    expect(await failing([{ ...node, minor: 3 }])).toBe(`mknod: errno ${EEXIST}`);
  });

  test("symlink makes a link, parents too, and leaves an existing file", async () => {
    const ops: PlanOp[] = [
      { op: "symlink", target: "/proc/self/fd", path: "/links/fd" },
      { op: "symlink", target: "other", path: "/etc/secret" },
    ];
    expect(await inside(ops, "readlink /links/fd; cat /etc/secret")).toBe("/proc/self/fd\nsecret");
  });

  test("mask covers directories by one empty read-only tmpfs, files by /dev/null, and skips what is missing", async () => {
    const ops = ["/masked", "/second", "/etc/secret", "/missing", "/etc/secret/below"].map(
      (path) => ({ op: "mask", path }) as const,
    );
    const script = "ls /masked /second; cat /etc/secret; touch /masked/x 2>&1; grep -c tmpfs /proc/self/mounts";
    const text = await inside(ops, script);
    expect(text).toMatch(/^\/masked:\n\n\/second:\ntouch: .*Read-only file system\n3$/);
    const devices = await inside(ops.slice(0, 2), "stat -c %d /masked /second");
    expect(new Set(devices.split("\n")).size).toBe(1);
  });

  test("readonly covers a path with what is mounted below, and skips what is missing", async () => {
    const ops: PlanOp[] = [
      ...mountOf("tmpfs", "/readonly/below"),
      { op: "readonly", path: "/readonly" },
      { op: "readonly", path: "/missing" },
    ];
    const text = await inside(ops, "touch /readonly/x 2>&1; touch /readonly/below/x 2>&1; touch /data/x && echo free");
    expect(text).toMatch(/Read-only.*\n.*Read-only.*\nfree$/);
  });

  test("root-attr makes the root read-only without what is mounted in it", async () => {
    const attributes = { set: abi.MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, recursive: false };
    const text = await inside(
      [...mountOf("tmpfs", "/data"), { op: "root-attr", ...attributes }],
      "touch /x 2>&1; touch /data/x && echo free",
    );
    expect(text).toMatch(/Read-only.*\nfree$/);
  });

  test("propagate makes the guest's mounts slaves or private", async () => {
    const plan: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWNS },
      { op: "propagate", path: "/", flags: abi.MS_SHARED | abi.MS_REC },
      stdio,
      ...shell("grep -vc shared: /proc/self/mountinfo"),
    ];
    expect((await run(agent, plan)).output).toBe("0\n");
  });

  test("chdir, umask, stdio and the environment are what the program sees", async () => {
    const plan: PlanOp[] = [
      { op: "chdir", path: "/proc/sys" },
      { op: "umask", mask: 0o027 },
      stdio,
      { op: "find", candidates: ["/bin/sh"] },
      {
        op: "exec",
        args: ["name", "-c", "pwd; umask; echo $0 $X; read -r line; echo $line; echo end >&2"],
        env: ["X=y z"],
      },
    ];
    await using launched = await launch(agent, plan);
    sys.write(launched.stdin, Buffer.from("input\n"));
    expect(await launched.text()).toBe("/proc/sys\n0027\nname y z\ninput\nend\n");
    expect((await launched.process.exit).code).toBe(0);
  });

  test("user, groups, capabilities, no_new_privs and rlimits are in /proc/self/status and /proc/self/limits", async () => {
    const plan: PlanOp[] = [
      stdio,
      { op: "rlimit", resource: 7, soft: 100n, hard: 200n },
      { op: "rlimit", resource: 4, soft: 0n, hard: 2n ** 64n - 1n },
      { op: "bounding", mask: 0x421n },
      { op: "keepcaps" },
      { op: "user", uid: 1000, gid: 2000, groups: [3, 2 ** 31, 5] },
      { op: "capset", effective: 0x20n, permitted: 0x420n, inheritable: 0x20n },
      { op: "ambient", mask: 0x20n },
      { op: "no-new-privs" },
      ...shell("cat /proc/self/status /proc/self/limits"),
    ];
    const finished = await run(agent, plan);
    expect(failure(plan, finished)).toMatch(/^executed/);
    const field = (name: string) => finished.output.match(new RegExp(`^${name}\\s+(.*?)\\s*$`, "m"))?.[1];
    expect(field("Uid:")).toBe("1000\t1000\t1000\t1000");
    expect(field("Gid:")).toBe("2000\t2000\t2000\t2000");
    expect(field("Groups:")).toBe("3 5 2147483648");
    expect(field("CapBnd:")).toBe("0000000000000421");
    expect(field("CapEff:")).toBe("0000000000000020");
    expect(field("CapPrm:")).toBe("0000000000000020");
    expect(field("CapAmb:")).toBe("0000000000000020");
    expect(field("NoNewPrivs:")).toBe("1");
    expect(field("SigBlk:")).toBe("0000000000000000");
    expect(field("SigIgn:")).toBe("0000000000000000");
    expect(field("Max open files")).toMatch(/^100\s+200/);
    expect(field("Max core file size")).toMatch(/^0\s+unlimited/);
  });

  test("a launched process has the file limit that init itself was started with", async () => {
    const own = readFileSync("/proc/self/limits", "utf8").match(/^Max open files\s+\d+\s+(\d+)/m)?.[1];
    const text = (await run(agent, [stdio, ...shell("ulimit -Hn")])).output;
    expect(text.trim()).toBe(own);
  });

  test("chown-stdio gives the pipes to the user, and what refuses is left", async () => {
    const readonly = sys.openat2(0, "/proc/self/status", 0, 0);
    const plan: PlanOp[] = [
      { op: "stdio", stdin: EXTRA, stdout: 1, stderr: 1 },
      { op: "chown-stdio", uid: 1000, gid: 1001 },
      ...shell("stat -L -c '%u %g' /proc/self/fd/1"),
    ];
    const finished = await run(agent, plan, { extra: [readonly] });
    expect(finished.output).toBe("1000 1001\n");
    sys.close(readonly);
  });

  test("find takes the first candidate that is a file and may be executed", async () => {
    chownSync(join(rootfs, "etc/secret"), 0, 0);
    const search = (candidates: string[]): PlanOp[] => [
      stdio,
      { op: "find", candidates },
      { op: "exec", args: ["echo", "found"], env: [] },
    ];
    expect((await run(agent, search(["/nowhere/x", "/etc", "/etc/passwd", "/bin/busybox"]))).output).toBe("found\n");
    const missing = search(["/nowhere/x", "/bin/not-there"]);
    expect(failure(missing, await run(agent, missing))).toBe(`find: errno ${ENOENT}`);
    const refused = search(["/nowhere/x", "/etc/passwd", "/bin"]);
    expect(failure(refused, await run(agent, refused))).toBe(`find: errno ${EACCES}`);
  });

  test("an executable that the user may not run is EACCES, as root it is found", async () => {
    const path = join(init.shared, "root-only");
    writeFileSync(path, "#!/bin/sh\necho ran\n", { mode: 0o700 });
    const plan = (uid: number): PlanOp[] => [stdio, { op: "user", uid, gid: uid, groups: [] }, ...execute([path])];
    expect((await run(agent, plan(0))).output).toBe("ran\n");
    expect(failure(plan(1000), await run(agent, plan(1000)))).toBe(`find: errno ${EACCES}`);
  });

  test("a file that is no program fails in exec with ENOEXEC, and the exit code is 127", async () => {
    const path = join(init.shared, "no-program");
    writeFileSync(path, "\x7fnothing", { mode: 0o755 });
    const plan = [stdio, ...execute([path])];
    const finished = await run(agent, plan);
    expect(failure(plan, finished)).toBe("exec: errno 8");
    expect(finished.exit.code).toBe(127);
  });

  test("wait reports ready and blocks until one byte comes; end of file ends the process", async () => {
    const release = sys.pipe();
    const plan: PlanOp[] = [stdio, { op: "wait", slot: EXTRA }, ...shell("echo released")];
    await using first = await launch(agent, plan, { extra: [release.read] });
    expect(await first.report.next()).toEqual({ kind: "ready" });
    sys.write(release.write, Uint8Array.of(1));
    expect(await first.report.next()).toEqual({ kind: "executed" });
    expect(await first.text()).toBe("released\n");
    await using second = await launch(agent, plan, { extra: [release.read] });
    expect(await second.report.next()).toEqual({ kind: "ready" });
    sys.close(release.write);
    expect((await second.process.exit).code).toBe(127);
    expect(await second.text()).toBe("");
    sys.close(release.read);
  });

  test("the executed process has descriptors 0, 1, 2 and no other", async () => {
    const extra = Array.from({ length: 40 }, () => sys.dup(2));
    const text = (await run(agent, [stdio, ...shell("echo /proc/self/fd/*")], { extra })).output;
    // the shell's own one for reading the directory is 3, or none
    expect(text.trim().replace(" /proc/self/fd/3", "")).toBe("/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2");
    const listed = await inside(
      [],
      "for i in 3 4 5 6 7 8 9 10 20 50; do test -e /proc/$$/fd/$i && echo leaked $i; done; true",
    );
    expect(listed).toBe("");
    for (const fd of extra) sys.close(fd);
  });

  test("a new pid namespace makes the process number 1, and a later launch can be born into it", async () => {
    await using first = await launch(agent, [stdio, ...shell("echo $$; exec sleep 30")], { newPidNamespace: true });
    const text = new Uint8Array(16);
    await sys.poll(first.output, "read");
    expect(Buffer.from(text.subarray(0, sys.read(first.output, text))).toString()).toBe("1\n");
    const joined = await run(agent, [stdio, ...shell("echo $$")], {
      extra: [first.process.pidfd],
      pidNamespaceSlot: EXTRA,
    });
    expect(Number(joined.output)).toBeLessThan(10);
    const outside = await run(agent, [stdio, ...shell("echo $$")]);
    expect(Number(outside.output)).toBeGreaterThan(10);
    sys.signal(first.process.pidfd, abi.SIGKILL);
    await first.process.exit;
  });

  test("fork goes on as a child of init, in a pid namespace that the user namespace owns", async () => {
    const ops: PlanOp[] = [
      { op: "setsid" },
      { op: "unshare", flags: abi.CLONE_NEWUSER },
      { op: "fork", flags: abi.CLONE_NEWPID },
      stdio,
      ...shell("echo $$; read x; exit 7"),
    ];
    await using launched = await launch(agent, ops);
    const text = new Uint8Array(16);
    await sys.poll(launched.output, "read");
    expect(Buffer.from(text.subarray(0, sys.read(launched.output, text))).toString()).toBe("1\n");
    sys.write(launched.stdin, Buffer.from("\n"));
    expect(await launched.process.exit).toMatchObject({ code: 7 });
    // One that fails before its fork says so, and ends as any other.
    const failing: PlanOp[] = [{ op: "chdir", path: "/not/there" }, ...ops];
    const failed = await run(agent, failing);
    expect([failure(failing, failed), failed.exit.code]).toEqual([`chdir: errno ${ENOENT}`, 127]);
  });

  test("setns-path joins a namespace of the child's own, with its clocks set", async () => {
    const plan: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWTIME },
      { op: "write", path: "/proc/self/timens_offsets", data: "boottime 1000000 0\n" },
      { op: "setns-path", path: "/proc/self/ns/time_for_children", flags: abi.CLONE_NEWTIME },
      stdio,
      ...shell("cut -d. -f1 /proc/uptime"),
    ];
    expect(Number((await run(agent, plan)).output)).toBeGreaterThan(1_000_000);
  });

  test("remount changes a mount in root, and follows no link out of it", async () => {
    const tmpfs = mountOf("tmpfs", "/again");
    const ops: PlanOp[] = [...tmpfs, { op: "remount", path: "/again", flags: abi.MS_BIND | abi.MS_RDONLY, data: "" }];
    expect(await inside(ops, "grep ' /again ' /proc/self/mounts | cut -d' ' -f4 | cut -d, -f1")).toBe("ro");
    const link: PlanOp[] = [
      { op: "symlink", target: "/proc", path: "/out" },
      { op: "remount", path: "/out", flags: abi.MS_BIND | abi.MS_RDONLY, data: "" },
    ];
    expect(await failing(link)).toBe(`remount: errno ${EINVAL}`);
  });

  test("attach puts nothing over a file of proc unless it may", async () => {
    const over = (overProc: boolean): PlanOp[] => [
      { op: "open-tree", from: "guest", path: "/dev/null", recursive: false },
      { op: "attach", target: "/proc/uptime", overProc },
    ];
    expect(await inside(over(true), "wc -c < /proc/uptime")).toBe("0");
    expect(await failing([...mountProc, ...over(false)])).toBe("attach: errno 1");
  });

  test("a process is born in the cgroup of its slot, and outside init's own without one", async () => {
    const path = join(init.running.cgroup ?? "", "born");
    mkdirSync(path);
    const cgroup = sys.openat2(0, path, abi.O_PATH | abi.O_DIRECTORY, 0);
    const text = await run(agent, [stdio, ...shell("cat /proc/self/cgroup")], { extra: [cgroup], cgroupSlot: EXTRA });
    expect(text.output).toMatch(/^0::\/born$/m);
    sys.close(cgroup);
  });

  test.each([
    ["../../../etc/hostile", "/data/up"],
    ["/../../etc/hostile", "/data/absolute-up"],
    ["/data/target-of-absolute", "/data/absolute"],
    ["../outside", "/data/up-and-out"],
  ])("a hostile link to %s stays inside", async (target, path) => {
    symlinkSync(target, join(rootfs, path));
    const ops: PlanOp[] = [
      ...mountOf("tmpfs", `${path}/mount`),
      { op: "mkdir", path: `${path}/made`, mode: 0o700 },
      { op: "mknod", path: `${path}/fifo`, mode: 0o010600, major: 0, minor: 0, uid: 0, gid: 0 },
    ];
    const text = await inside(ops, `grep /mount /proc/self/mounts; ls -d ${path}/made ${path}/fifo`);
    expect(text).toMatch(/^none \/(etc|data|outside)[^ ]* tmpfs/);
    expect(text).toContain(`${path}/made`);
    expect(() => lstatSync("/etc/hostile")).toThrow("ENOENT");
    expect(() => lstatSync("/outside")).toThrow("ENOENT");
  });

  test("a file is attached through a dangling link, as /etc/resolv.conf often is one", async () => {
    symlinkSync("../run/resolve/stub.conf", join(rootfs, "etc/resolv.conf"));
    const ops: PlanOp[] = [
      { op: "open-tree", from: "guest", path: "/etc/passwd", recursive: false },
      { op: "attach", target: "/etc/resolv.conf", overProc: false },
    ];
    expect(await inside(ops, "grep -c root: /run/resolve/stub.conf /etc/resolv.conf")).toMatch(
      /stub.conf:1\n.*resolv.conf:1/,
    );
  });

  test("links in a circle are ELOOP, and a magic link is refused", async () => {
    symlinkSync("circle-b", join(rootfs, "circle-a"));
    symlinkSync("circle-a", join(rootfs, "circle-b"));
    expect(await failing(mountOf("tmpfs", "/circle-a/x"))).toBe(`attach: errno ${ELOOP}`);
    expect(await failing([...mountProc, { op: "mkdir", path: "/proc/self/root/tmp/x", mode: 0o755 }])).toBe(
      `mkdir: errno ${ELOOP}`,
    );
  });
});
