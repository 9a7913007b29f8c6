import { mkdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { enterRootfs, mountOf, mountProc, pivot } from "./testing/container-plan.ts";
import { describeOperations } from "./testing/describe-operations.ts";
import { sys } from "./testing/relayed-init.ts";
import { EXTRA, execute, failure, launch, run, shell, stdio } from "./testing/run-plan.ts";

const ENOENT = 2;

describeOperations("in operations on namespaces,", (on) => {
  test("unshare, sethostname and setdomainname set names that only the container sees", async () => {
    const plan: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWUTS },
      { op: "sethostname", name: "box" },
      { op: "setdomainname", name: "example.org" },
      stdio,
      ...shell("cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname"),
    ];
    expect((await run(on.agent, plan)).output).toBe("box\nexample.org\n");
  });

  test("setns joins several namespaces at once by a pidfd", async () => {
    const first: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWUTS | abi.CLONE_NEWIPC },
      { op: "sethostname", name: "joined" },
      stdio,
      ...execute(["/bin/sleep", "30"]),
    ];
    await using target = await launch(on.agent, first);
    await target.report.next();
    const flags = abi.CLONE_NEWUTS | abi.CLONE_NEWIPC;
    const plan: PlanOp[] = [
      { op: "setns", slot: EXTRA, flags },
      stdio,
      ...shell("hostname; readlink /proc/self/ns/ipc"),
    ];
    const [name, ipc] = (await run(on.agent, plan, { extra: [target.process.pidfd] })).output.split("\n");
    expect(name).toBe("joined");
    expect(ipc).not.toBe(readlinkSync("/proc/self/ns/ipc"));
    sys.signal(target.process.pidfd, abi.SIGKILL);
    expect((await target.process.exit).code).toBe(137);
  });

  test("own-root enters the root of a joined mount namespace, and exit ends a plan without a program", async () => {
    const enter = [...enterRootfs(on.rootfs), ...mountProc, pivot, stdio];
    await using target = await launch(on.agent, [
      ...enter,
      ...shell("read go; grep -o ' /tmp/new.*tmpfs ' /proc/mounts"),
    ]);
    await target.report.next();
    const plan: PlanOp[] = [
      { op: "setns", slot: EXTRA, flags: abi.CLONE_NEWNS },
      { op: "own-root" },
      ...mountOf("tmpfs", "/tmp/new/shared"),
      { op: "exit" },
    ];
    await using finished = await launch(on.agent, plan, { extra: [target.process.pidfd] });
    expect(await finished.report.next()).toEqual({ kind: "executed" });
    expect((await finished.process.exit).code).toBe(0);
    sys.write(target.stdin, Buffer.from("go\n"));
    expect(await target.text()).toBe(" /tmp/new/shared tmpfs \n");
    await target.process.exit;
  });

  test("a new pid namespace makes the process number 1, and a later launch can start in that namespace", async () => {
    await using first = await launch(on.agent, [stdio, ...shell("echo $$; exec sleep 30")], { newPidNamespace: true });
    const text = new Uint8Array(16);
    await sys.poll(first.output, "read");
    expect(Buffer.from(text.subarray(0, sys.read(first.output, text))).toString()).toBe("1\n");
    const joined = await run(on.agent, [stdio, ...shell("echo $$")], {
      extra: [first.process.pidfd],
      pidNamespaceSlot: EXTRA,
    });
    expect(Number(joined.output)).toBeLessThan(10);
    const outside = await run(on.agent, [stdio, ...shell("echo $$")]);
    expect(Number(outside.output)).toBeGreaterThan(10);
    sys.signal(first.process.pidfd, abi.SIGKILL);
    await first.process.exit;
  });

  test("fork continues as a child of init in a pid namespace that the user namespace owns", async () => {
    const ops: PlanOp[] = [
      { op: "setsid" },
      { op: "unshare", flags: abi.CLONE_NEWUSER },
      { op: "fork", flags: abi.CLONE_NEWPID },
      stdio,
      ...shell("echo $$; read x; exit 7"),
    ];
    await using launched = await launch(on.agent, ops);
    const text = new Uint8Array(16);
    await sys.poll(launched.output, "read");
    expect(Buffer.from(text.subarray(0, sys.read(launched.output, text))).toString()).toBe("1\n");
    sys.write(launched.stdin, Buffer.from("\n"));
    expect(await launched.process.exit).toMatchObject({ code: 7 });
    // A plan that fails before its fork reports it and ends like any other.
    const failing: PlanOp[] = [{ op: "chdir", path: "/not/there" }, ...ops];
    const failed = await run(on.agent, failing);
    expect([failure(failing, failed), failed.exit.code]).toEqual([`chdir: errno ${ENOENT}`, 127]);
  });

  test("setns-path joins the child's own time namespace after its clocks are set", async () => {
    const plan: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWTIME },
      { op: "write", path: "/proc/self/timens_offsets", data: "boottime 1000000 0\n" },
      { op: "setns-path", path: "/proc/self/ns/time_for_children", flags: abi.CLONE_NEWTIME },
      stdio,
      ...shell("cut -d. -f1 /proc/uptime"),
    ];
    expect(Number((await run(on.agent, plan)).output)).toBeGreaterThan(1_000_000);
  });

  test("a process starts in its slot's cgroup, or without a slot outside init's own cgroup", async () => {
    const path = join(on.init.running.cgroup ?? "", "born");
    mkdirSync(path);
    const cgroup = sys.openat2(0, path, abi.O_PATH | abi.O_DIRECTORY, 0);
    const text = await run(on.agent, [stdio, ...shell("cat /proc/self/cgroup")], {
      extra: [cgroup],
      cgroupSlot: EXTRA,
    });
    expect(text.output).toMatch(/^0::\/born$/m);
    sys.close(cgroup);
  });
});
