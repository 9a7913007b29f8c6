import { chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { describeOperations } from "./testing/describe-operations.ts";
import { sys } from "./testing/relayed-init.ts";
import { EXTRA, execute, failure, launch, run, shell, stdio } from "./testing/run-plan.ts";

/** How long a test lets a child wait, ms. */
const PAUSE_MS = 20;
const ENOENT = 2;
const EACCES = 13;

describeOperations("in operations on the process,", (on) => {
  test("setsid creates a session, and ctty gives it a terminal", async () => {
    const devpts = sys.openat2(
      0,
      join("/proc", String(await on.init.running.pid()), "root/dev/pts"),
      abi.O_DIRECTORY,
      0,
    );
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
    await using launched = await launch(on.agent, plan, { extra: [peer] });
    expect((await launched.process.exit).code).toBe(0);
    const text = new Uint8Array(64);
    expect(Buffer.from(text.subarray(0, sys.read(master, text))).toString()).toBe("own\r\n");
    for (const fd of [devpts, master, peer]) sys.close(fd);
  });

  test("session-keyring hides the guest's keys", async () => {
    const keyrings = (text: string): readonly string[] => text.match(/^[0-9a-f]+(?=.* keyring +_ses: empty$)/gm) ?? [];
    const before = keyrings(readFileSync("/proc/keys", "utf8"));
    const inside = (await run(on.agent, [{ op: "session-keyring" }, stdio, ...shell("cat /proc/keys")])).output;
    expect(keyrings(inside).filter((serial) => !before.includes(serial))).not.toEqual([]);
  });

  test("chdir, umask, stdio and the environment take effect in the program", async () => {
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
    await using launched = await launch(on.agent, plan);
    sys.write(launched.stdin, Buffer.from("input\n"));
    expect(await launched.text()).toBe("/proc/sys\n0027\nname y z\ninput\nend\n");
    expect((await launched.process.exit).code).toBe(0);
  });

  test("user, groups, capabilities, no_new_privs and rlimits appear in /proc/self/status and /proc/self/limits", async () => {
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
    const finished = await run(on.agent, plan);
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

  test("drop keeps only the capabilities in its mask, and no others can be gained later", async () => {
    const [, own = "0"] = readFileSync("/proc/self/status", "utf8").match(/^CapPrm:\s+(\S+)$/m) ?? [];
    const mask = 0x1000021n; // CAP_SYS_RESOURCE is missing on some machines
    const left = (BigInt(`0x${own}`) & mask).toString(16).padStart(16, "0");
    const plan: PlanOp[] = [stdio, { op: "bounding", mask }, { op: "drop", mask }, ...shell("cat /proc/self/status")];
    const { output } = await run(on.agent, plan);
    expect(output.match(/^Cap(Inh|Prm|Eff|Amb).*$/gm)).toEqual([
      ...["CapInh:\t0000000000000000", `CapPrm:\t${left}`, `CapEff:\t${left}`, "CapAmb:\t0000000000000000"],
    ]);
    const more: PlanOp = { op: "capset", effective: 0x2n, permitted: 0x2n, inheritable: 0n };
    const refused: PlanOp[] = [{ op: "drop", mask }, more, stdio, ...shell("true")];
    expect(failure(refused, await run(on.agent, refused))).toBe("capset: errno 1");
  });

  test("a launched process has the limit of open files that init itself was started with", async () => {
    const own = readFileSync("/proc/self/limits", "utf8").match(/^Max open files\s+\d+\s+(\d+)/m)?.[1];
    const text = (await run(on.agent, [stdio, ...shell("ulimit -Hn")])).output;
    expect(text.trim()).toBe(own);
  });

  test("chown-stdio gives the pipes to the user, and skips descriptors whose owner can't change", async () => {
    const readonly = sys.openat2(0, "/proc/self/status", 0, 0);
    const plan: PlanOp[] = [
      { op: "stdio", stdin: EXTRA, stdout: 1, stderr: 1 },
      { op: "chown-stdio", uid: 1000, gid: 1001 },
      ...shell("stat -L -c '%u %g' /proc/self/fd/1"),
    ];
    const finished = await run(on.agent, plan, { extra: [readonly] });
    expect(finished.output).toBe("1000 1001\n");
    sys.close(readonly);
  });

  test("find chooses the first candidate that is an executable file", async () => {
    chownSync(join(on.rootfs, "etc/secret"), 0, 0);
    const search = (candidates: string[]): PlanOp[] => [
      stdio,
      { op: "find", candidates },
      { op: "exec", args: ["echo", "found"], env: [] },
    ];
    expect((await run(on.agent, search(["/nowhere/x", "/etc", "/etc/passwd", "/bin/busybox"]))).output).toBe("found\n");
    const missing = search(["/nowhere/x", "/bin/not-there"]);
    expect(failure(missing, await run(on.agent, missing))).toBe(`find: errno ${ENOENT}`);
    const refused = search(["/nowhere/x", "/etc/passwd", "/bin"]);
    expect(failure(refused, await run(on.agent, refused))).toBe(`find: errno ${EACCES}`);
  });

  test("find reports EACCES for an executable that the user may not run, and finds it for root", async () => {
    const path = join(on.init.shared, "root-only");
    writeFileSync(path, "#!/bin/sh\necho ran\n", { mode: 0o700 });
    const plan = (uid: number): PlanOp[] => [stdio, { op: "user", uid, gid: uid, groups: [] }, ...execute([path])];
    expect((await run(on.agent, plan(0))).output).toBe("ran\n");
    expect(failure(plan(1000), await run(on.agent, plan(1000)))).toBe(`find: errno ${EACCES}`);
  });

  test("exec fails with ENOEXEC and exit code 127 for a file that is not a program", async () => {
    const path = join(on.init.shared, "no-program");
    writeFileSync(path, "\x7fnothing", { mode: 0o755 });
    const plan = [stdio, ...execute([path])];
    const finished = await run(on.agent, plan);
    expect(failure(plan, finished)).toBe("exec: errno 8");
    expect(finished.exit.code).toBe(127);
  });

  test("wait reports ready and blocks until a byte arrives, and end of file ends the process", async () => {
    const release = sys.pipe();
    const plan: PlanOp[] = [stdio, { op: "wait", slot: EXTRA }, ...shell("echo released")];
    const ready = { kind: "ready", micros: [expect.any(Number)] };
    await using first = await launch(on.agent, plan, { extra: [release.read] });
    expect(await first.report.next()).toEqual(ready);
    sys.write(release.write, Uint8Array.of(1));
    expect(await first.report.next()).toEqual({ kind: "executed" });
    expect(await first.text()).toBe("released\n");
    await using second = await launch(on.agent, plan, { extra: [release.read] });
    expect(await second.report.next()).toEqual(ready);
    sys.close(release.write);
    expect((await second.process.exit).code).toBe(127);
    expect(await second.text()).toBe("");
    sys.close(release.read);
  });

  test("ready has the durations of what ran before, up to a filter and of the first 120", async () => {
    const wait: PlanOp = { op: "wait", slot: EXTRA };
    const umask: PlanOp = { op: "umask", mask: 0o022 };
    const measured = async (plan: readonly PlanOp[]): Promise<readonly number[]> => {
      const { read, write } = sys.pipe();
      await using launched = await launch(on.agent, [...plan, ...shell("true")], { extra: [read] });
      const next = async () => {
        const report = await launched.report.next();
        return report.kind === "ready" ? (report.micros ?? []) : undefined;
      };
      for (let last: readonly number[] = []; ; ) {
        const ready = await next();
        if (ready === undefined) {
          for (const fd of [read, write]) sys.close(fd);
          return last;
        }
        last = ready;
        await delay(PAUSE_MS);
        sys.write(write, Uint8Array.of(1));
      }
    };
    const [, first = 0, ...rest] = await measured([stdio, wait, umask, wait]);
    expect(first).toBeGreaterThanOrEqual((PAUSE_MS - 1) * 1000);
    expect(rest).toHaveLength(1);
    const allows = new BigUint64Array([0x7fff_0000_0000_0006n]); // BPF_RET, SECCOMP_RET_ALLOW
    const noNewPrivileges: PlanOp = { op: "no-new-privs" };
    expect(
      await measured([stdio, noNewPrivileges, { op: "seccomp", flags: 0, program: allows }, umask, wait]),
    ).toHaveLength(2);
    expect(await measured([stdio, ...Array.from({ length: 130 }, () => umask), wait])).toHaveLength(120);
  });

  test("the program has only descriptors 0, 1 and 2", async () => {
    const extra = Array.from({ length: 40 }, () => sys.dup(2));
    const text = (await run(on.agent, [stdio, ...shell("echo /proc/self/fd/*")], { extra })).output;
    // 3 is the shell's own, for the directory, if it needs one
    expect(text.trim().replace(" /proc/self/fd/3", "")).toBe("/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2");
    const listed = await on.inside(
      [],
      "for i in 3 4 5 6 7 8 9 10 20 50; do test -e /proc/$$/fd/$i && echo leaked $i; done; true",
    );
    expect(listed).toBe("");
    for (const fd of extra) sys.close(fd);
  });
});
