import { execFileSync } from "node:child_process";
import { join } from "node:path";
import * as abi from "../../agent/kernel/constants.ts";
import type { InitClient } from "../../agent/kernel/init/init-client.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { enterRootfs, mountOf } from "../init/testing/container-plan.ts";
import { startRelayedInit, sys } from "../init/testing/relayed-init.ts";
import { makeRootfs } from "../init/testing/rootfs.ts";
import { EXTRA, execute, type Launched, launch, stdio } from "../init/testing/run-plan.ts";

/** Measures init's launches on this machine without an agent's work: `node test/bench/init-launches.ts [rounds]`. */
const rounds = Number(process.argv[2] ?? 200);
const JOIN = abi.CLONE_NEWNS | abi.CLONE_NEWUTS | abi.CLONE_NEWIPC | abi.CLONE_NEWNET | abi.CLONE_NEWCGROUP;

const identity: PlanOp[] = [
  { op: "umask", mask: 0o022 },
  { op: "chdir", path: "/" },
  { op: "bounding", mask: 0xa80425fbn },
  { op: "user", uid: 0, gid: 0, groups: [0, 1, 2] },
  { op: "capset", effective: 0xa80425fbn, permitted: 0xa80425fbn, inheritable: 0n },
  { op: "ambient", mask: 0n },
  { op: "no-new-privs" },
];

const masked = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/sys/firmware"];
const readonly = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

function create(rootfs: string): PlanOp[] {
  const device = (name: string, minor: number): PlanOp => ({
    op: "mknod",
    path: `/dev/${name}`,
    mode: abi.S_IFCHR | 0o666,
    major: 1,
    minor,
    uid: 0,
    gid: 0,
  });
  return [
    { op: "setsid" },
    { op: "unshare", flags: JOIN & ~abi.CLONE_NEWNET },
    { op: "sethostname", name: "box" },
    ...enterRootfs(rootfs).slice(1),
    ...mountOf("proc", "/proc"),
    ...mountOf("tmpfs", "/dev", [["mode", "755"]]),
    ...mountOf("devpts", "/dev/pts", [["ptmxmode", "0666"]]),
    ...mountOf("tmpfs", "/dev/shm", [["mode", "1777"]]),
    ...mountOf("mqueue", "/dev/mqueue"),
    ...mountOf("sysfs", "/sys"),
    ...mountOf("tmpfs", "/run"),
    ...["null", "zero", "full", "random", "urandom"].map((name, index) => device(name, [3, 5, 7, 8, 9][index] ?? 3)),
    { op: "symlink", target: "/proc/self/fd", path: "/dev/fd" },
    ...readonly.map((path): PlanOp => ({ op: "readonly", path })),
    ...masked.map((path): PlanOp => ({ op: "mask", path })),
    { op: "pivot" },
    stdio,
    ...identity,
    { op: "find", candidates: ["/usr/bin/sleep", "/bin/sleep"] },
    { op: "wait", slot: EXTRA },
    { op: "exec", args: ["sleep", "100"], env: ["PATH=/bin"] },
  ];
}

function show(name: string, times: number[]): void {
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(3);
  console.log(`${name.padEnd(44)} p10 ${at(0.1)} median ${at(0.5)} ms, p90 ${at(0.9)} ms`);
}

async function timed(
  agent: InitClient,
  plan: readonly PlanOp[],
  options: Parameters<typeof launch>[2],
  until: (launched: Launched) => Promise<unknown>,
) {
  const before = performance.now();
  const launched = await launch(agent, plan, options);
  const accepted = performance.now();
  await until(launched);
  return { launched, accepted: accepted - before, done: performance.now() - before };
}

await using init = await startRelayedInit();
const agent = await init.nextAgent();
const rootfs = makeRootfs(init.shared);
/**
 * A program linked with musl: on a virtual CPU, glibc's static start-up takes half a millisecond, because cpuid traps.
 */
const musl = "/bin/nothing";
execFileSync("musl-gcc", ["-static", "-O2", "-x", "c", "-", "-o", join(rootfs, musl)], {
  input: "int main(void) { return 0; }",
});
const release = sys.pipe();
const createOptions = { extra: [release.read], newPidNamespace: true };
const ready = async ({ report }: Launched) => {
  const first = await report.next();
  if (first.kind !== "ready") throw new Error(`not ready: ${JSON.stringify(first)}`);
};
const container = await launch(agent, create(rootfs), createOptions);
await ready(container);
sys.write(release.write, Uint8Array.of(1));
if ((await container.report.next()).kind !== "executed") throw new Error("not executed");

const exec: PlanOp[] = [{ op: "setsid" }, { op: "setns", slot: EXTRA, flags: JOIN }, stdio, ...identity];
const times = { createAccepted: [] as number[], created: [] as number[] };
for (const program of [musl, "/bin/busybox"]) {
  const accepted: number[] = [];
  const exits: number[] = [];
  for (let round = -20; round < rounds; round++) {
    const into = { extra: [container.process.pidfd], pidNamespaceSlot: EXTRA };
    const plan = [...exec, ...execute([program, "true"])];
    const one = await timed(agent, plan, into, ({ process }) => process.exit);
    if (round >= 0) accepted.push(one.accepted);
    if (round >= 0) exits.push(one.done);
    if ((await one.launched.process.exit).code !== 0) throw new Error(JSON.stringify(await one.launched.report.next()));
    await one.launched[Symbol.asyncDispose]();
  }
  show(`exec ${program}: LAUNCH to LAUNCHED`, accepted);
  show(`exec ${program}: LAUNCH to EXITED`, exits);
}
for (let round = -20; round < rounds; round++) {
  const one = await timed(agent, create(rootfs), createOptions, ready);
  if (round >= 0) {
    times.createAccepted.push(one.accepted);
    times.created.push(one.done);
  }
  sys.signal(one.launched.process.pidfd, abi.SIGKILL);
  await one.launched.process.exit;
  await one.launched[Symbol.asyncDispose]();
}
show("create: LAUNCH to LAUNCHED", times.createAccepted);
show("create: LAUNCH to ready", times.created);
sys.signal(container.process.pidfd, abi.SIGKILL);
await container.process.exit;
await container[Symbol.asyncDispose]();
for (const fd of [release.read, release.write]) sys.close(fd);
