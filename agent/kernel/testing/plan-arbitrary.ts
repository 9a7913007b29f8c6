import fc from "fast-check";
import type { PlanOp } from "../init/plan.ts";

/** Bound of the slots in arbitrary plans. */
export const ARBITRARY_SLOTS = 8;

const u32 = fc.nat({ max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const slot = fc.nat({ max: ARBITRARY_SLOTS - 1 });
const text = fc.string({ unit: "binary", maxLength: 40 }).map((value) => value.replaceAll("\0", "").toWellFormed());
const path = text.map((value) => `/${value}`);
const attributes = { set: u32, clear: u32, propagation: u32, recursive: fc.boolean() };
const program = fc.array(u64, { minLength: 1, maxLength: 20 }).map((words) => BigUint64Array.from(words));
const texts = fc.array(text, { maxLength: 6 });

/** An arbitrary of each operation except the two that end a plan. */
export const arbitraryOps: {
  readonly [N in Exclude<PlanOp["op"], "exec" | "exit">]: fc.Arbitrary<Extract<PlanOp, { op: N }>>;
} = {
  unshare: fc.record({ op: fc.constant("unshare"), flags: u32 }),
  setns: fc.record({ op: fc.constant("setns"), slot, flags: u32 }),
  setsid: fc.constant({ op: "setsid" }),
  "session-keyring": fc.constant({ op: "session-keyring" }),
  "own-root": fc.constant({ op: "own-root" }),
  write: fc.record({ op: fc.constant("write"), path, data: text }),
  sethostname: fc.record({ op: fc.constant("sethostname"), name: text }),
  setdomainname: fc.record({ op: fc.constant("setdomainname"), name: text }),
  propagate: fc.record({ op: fc.constant("propagate"), path, flags: u32 }),
  "open-tree": fc.record({
    op: fc.constant("open-tree"),
    from: fc.constantFrom("guest", "root"),
    path,
    recursive: fc.boolean(),
  }),
  "open-tree-slot": fc.record({ op: fc.constant("open-tree-slot"), slot, recursive: fc.boolean() }),
  "take-mount": fc.record({ op: fc.constant("take-mount"), slot }),
  fsopen: fc.record({ op: fc.constant("fsopen"), type: text }),
  fsconfig: fc.oneof(
    fc.record({ op: fc.constant("fsconfig"), key: text, value: text }),
    fc.record({ op: fc.constant("fsconfig"), key: text }),
  ),
  fsmount: fc.record({ op: fc.constant("fsmount"), attributes: u32 }),
  setattr: fc.record({ op: fc.constant("setattr"), ...attributes }),
  root: fc.record({ op: fc.constant("root"), path }),
  attach: fc.record({ op: fc.constant("attach"), target: path, overProc: fc.boolean() }),
  mkdir: fc.record({ op: fc.constant("mkdir"), path, mode: u32 }),
  mknod: fc.record({ op: fc.constant("mknod"), path, mode: u32, major: u32, minor: u32, uid: u32, gid: u32 }),
  symlink: fc.record({ op: fc.constant("symlink"), target: text, path }),
  mask: fc.record({ op: fc.constant("mask"), path }),
  readonly: fc.record({ op: fc.constant("readonly"), path }),
  "root-attr": fc.record({ op: fc.constant("root-attr"), ...attributes }),
  remount: fc.record({ op: fc.constant("remount"), path, flags: u32, data: text }),
  "copy-up": fc.record({ op: fc.constant("copy-up"), path, mode: fc.boolean(), content: fc.boolean() }),
  fork: fc.record({ op: fc.constant("fork"), flags: u32 }),
  "setns-path": fc.record({ op: fc.constant("setns-path"), path, flags: u32 }),
  pivot: fc.constant({ op: "pivot" }),
  chdir: fc.record({ op: fc.constant("chdir"), path }),
  stdio: fc.record({ op: fc.constant("stdio"), stdin: slot, stdout: slot, stderr: slot }),
  ctty: fc.constant({ op: "ctty" }),
  "chown-stdio": fc.record({ op: fc.constant("chown-stdio"), uid: u32, gid: u32 }),
  rlimit: fc.record({ op: fc.constant("rlimit"), resource: u32, soft: u64, hard: u64 }),
  umask: fc.record({ op: fc.constant("umask"), mask: u32 }),
  bounding: fc.record({ op: fc.constant("bounding"), mask: u64 }),
  drop: fc.record({ op: fc.constant("drop"), mask: u64 }),
  keepcaps: fc.constant({ op: "keepcaps" }),
  user: fc.record({ op: fc.constant("user"), uid: u32, gid: u32, groups: fc.array(u32, { maxLength: 5 }) }),
  capset: fc.record({ op: fc.constant("capset"), effective: u64, permitted: u64, inheritable: u64 }),
  ambient: fc.record({ op: fc.constant("ambient"), mask: u64 }),
  "no-new-privs": fc.constant({ op: "no-new-privs" }),
  scheduler: fc.record({
    op: fc.constant("scheduler"),
    policy: u32,
    flags: u32,
    nice: fc.integer({ min: -20, max: 19 }),
    priority: fc.nat({ max: 99 }),
    runtime: fc.maxSafeNat(),
    deadline: fc.maxSafeNat(),
    period: fc.maxSafeNat(),
  }),
  "io-priority": fc.record({ op: fc.constant("io-priority"), value: u32 }),
  "cpu-affinity": fc.record({
    op: fc.constant("cpu-affinity"),
    cpus: fc.array(fc.nat({ max: 8191 }), { maxLength: 5 }),
  }),
  personality: fc.record({ op: fc.constant("personality"), persona: u32 }),
  seccomp: fc.record({ op: fc.constant("seccomp"), flags: u32, program }),
  find: fc.record({ op: fc.constant("find"), candidates: fc.array(text, { minLength: 1, maxLength: 6 }) }),
  wait: fc.record({ op: fc.constant("wait"), slot }),
};

const exec = fc.record({
  op: fc.constant("exec" as const),
  args: fc.array(text, { minLength: 1, maxLength: 6 }),
  env: texts,
});

/** Plans that init must accept. */
export const arbitraryPlan: fc.Arbitrary<PlanOp[]> = fc
  .tuple(
    fc.array(fc.oneof(...(Object.values(arbitraryOps) as fc.Arbitrary<PlanOp>[])), { maxLength: 20 }),
    fc.oneof(exec, fc.constant({ op: "exit" as const })),
  )
  .map(([ops, last]) => [...ops.filter(isFirstFork), last]);

/** Keeps the first fork: a plan has at most one. */
function isFirstFork({ op }: PlanOp, index: number, ops: readonly PlanOp[]): boolean {
  return op !== "fork" || ops.findIndex((other) => other.op === "fork") === index;
}
