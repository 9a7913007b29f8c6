import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryPlan } from "../testing/plan-arbitrary.ts";
import { describeOp, detailOp } from "./describe-op.ts";
import { OPS, type PlanOp } from "./plan.ts";

test("no operation shows environment values", () => {
  const secret = "SECRET-VALUE";
  fc.assert(
    fc.property(arbitraryPlan, (plan) => {
      const exec: PlanOp = { op: "exec", args: ["sh"], env: [`TOKEN=${secret}`] };
      const shown = [...plan, exec]
        .map((op) => `${Object.values(describeOp(op)).join(" ")} ${detailOp(op, [])}`)
        .join("\n");
      expect(shown).not.toContain(secret);
    }),
    { numRuns: 20 },
  );
});

const ATTRIBUTES = { set: 1, clear: 3, propagation: 1 << 19, recursive: true };
const NEW_NAMESPACES = 0x20020000;
const UNLIMITED = 2n ** 64n - 1n;
const SCHEDULER = { policy: 1, flags: 2, nice: 3, priority: 4, runtime: 5, deadline: 6, period: 7 };
const SLOTS = ["start", "network", "output"];

/** For each operation what an error names, and what `guestctl explain` adds. */
const TEXTS: [PlanOp, string, string?][] = [
  [{ op: "unshare", flags: NEW_NAMESPACES }, "unshare flags 0x20020000", "new mount pid"],
  [{ op: "setns", slot: 1, flags: 0x40000000 }, "setns flags 0x40000000", "net of network"],
  [{ op: "setns-path", path: "/proc/self/ns/user", flags: 0x10000000 }, "setns /proc/self/ns/user"],
  [{ op: "setsid" }, "setsid "],
  [{ op: "session-keyring" }, "session-keyring "],
  [{ op: "write", path: "/proc/self/oom_score_adj", data: "7" }, "write 7 to /proc/self/oom_score_adj"],
  [{ op: "sethostname", name: "web" }, "sethostname web"],
  [{ op: "setdomainname", name: "local" }, "setdomainname local"],
  [{ op: "propagate", path: "/", flags: 0x84000 }, "mount propagation /", "/ slave recursively"],
  [{ op: "open-tree", from: "guest", path: "/a", recursive: true }, "bind (recursive) /a"],
  [{ op: "open-tree", from: "root", path: "/a", recursive: false }, "bind /a"],
  [{ op: "open-tree-slot", slot: 2, recursive: false }, "take mount slot 2", "output"],
  [{ op: "take-mount", slot: 1 }, "take mount slot 1", "network"],
  [{ op: "fsopen", type: "tmpfs" }, "mount tmpfs"],
  [{ op: "fsconfig", key: "size", value: "1m" }, "mount option size=1m"],
  [{ op: "fsconfig", key: "ro" }, "mount option ro"],
  [{ op: "fsmount", attributes: 3 }, "mount new file system", "new file system ro nosuid"],
  [{ op: "fsmount", attributes: 0 }, "mount new file system", "new file system"],
  [{ op: "setattr", ...ATTRIBUTES }, "mount_setattr ", "ro without nosuid slave recursively"],
  [{ op: "root-attr", ...ATTRIBUTES, clear: 1 }, "mount_setattr /", "/ ro slave recursively"],
  [{ op: "root-attr", set: 4, clear: 0, propagation: 0, recursive: false }, "mount_setattr /", "/ nodev"],
  [{ op: "own-root" }, "own-root "],
  [{ op: "root", path: "/run/rootfs" }, "bind rootfs /run/rootfs"],
  [{ op: "attach", target: "/proc", overProc: false }, "mount on /proc"],
  [{ op: "mkdir", path: "/a", mode: 0o750 }, "mkdir /a", "/a mode 750"],
  [
    { op: "mknod", path: "/dev/null", mode: 0o020666, major: 1, minor: 3, uid: 4, gid: 5 },
    "mknod /dev/null",
    "/dev/null c 1:3 mode 666 owner 4:5",
  ],
  [
    { op: "mknod", path: "/b", mode: 0o060600, major: 8, minor: 0, uid: 0, gid: 0 },
    "mknod /b",
    "/b b 8:0 mode 600 owner 0:0",
  ],
  [
    { op: "mknod", path: "/p", mode: 0o010600, major: 0, minor: 0, uid: 0, gid: 0 },
    "mknod /p",
    "/p p 0:0 mode 600 owner 0:0",
  ],
  [{ op: "symlink", target: "/proc/self/fd", path: "/dev/fd" }, "symlink /dev/fd", "/dev/fd -> /proc/self/fd"],
  [{ op: "mask", path: "/proc/keys" }, "mask /proc/keys"],
  [{ op: "readonly", path: "/proc/sys" }, "readonly /proc/sys"],
  [{ op: "remount", path: "/", flags: 0x1001, data: "" }, "remount /", "/ ro bind"],
  [{ op: "remount", path: "/a", flags: 1, data: "size=1m" }, "remount /a with size=1m", "/a ro size=1m"],
  [{ op: "copy-up", path: "/a", mode: true, content: true }, "copy up /a"],
  [{ op: "copy-up", path: "/a", mode: true, content: false }, "copy mode of /a"],
  [{ op: "fork", flags: NEW_NAMESPACES }, "fork flags 0x20020000", "new mount pid"],
  [{ op: "fork", flags: 0 }, "fork flags 0x0", ""],
  [{ op: "pivot" }, "pivot "],
  [{ op: "chdir", path: "/work" }, "chdir /work"],
  [{ op: "stdio", stdin: 0, stdout: 2, stderr: 1 }, "stdio ", "start output network"],
  [{ op: "ctty" }, "ctty "],
  [{ op: "chown-stdio", uid: 1, gid: 2 }, "chown stdio 1:2"],
  [{ op: "chown-stdio", uid: 1, gid: 0xffffffff }, "chown stdio 1"],
  [
    { op: "rlimit", resource: 7, soft: 1n, hard: UNLIMITED },
    "setrlimit resource 7 to 1/18446744073709551615",
    "RLIMIT_NOFILE 1 hard unlimited",
  ],
  [{ op: "umask", mask: 0o22 }, "umask 22"],
  [{ op: "bounding", mask: 0x3n }, "capabilities (bounding) 0x3", "CHOWN DAC_OVERRIDE"],
  [{ op: "drop", mask: 0x1n }, "capabilities (drop) 0x1", "CHOWN"],
  [{ op: "ambient", mask: 0x2n }, "capabilities (ambient) 0x2", "DAC_OVERRIDE"],
  [{ op: "keepcaps" }, "keepcaps "],
  [{ op: "user", uid: 1, gid: 2, groups: [3, 4] }, "set user 1:2", "1:2 groups 3 4"],
  [{ op: "user", uid: 1, gid: 2, groups: [] }, "set user 1:2", "1:2"],
  [
    { op: "capset", effective: 1n, permitted: 2n, inheritable: 1n },
    "capset permitted 0x2",
    "effective CHOWN; permitted DAC_OVERRIDE; inheritable CHOWN",
  ],
  [
    { op: "capset", effective: 1n, permitted: 1n, inheritable: 2n },
    "capset permitted 0x1",
    "effective CHOWN; permitted CHOWN; inheritable DAC_OVERRIDE",
  ],
  [
    { op: "capset", effective: 1n, permitted: 2n, inheritable: 2n },
    "capset permitted 0x2",
    "effective CHOWN; permitted DAC_OVERRIDE; inheritable DAC_OVERRIDE",
  ],
  [{ op: "capset", effective: 1n, permitted: 1n, inheritable: 1n }, "capset permitted 0x1", "all sets CHOWN"],
  [{ op: "no-new-privs" }, "no-new-privs "],
  [{ op: "scheduler", attributes: SCHEDULER }, "sched_setattr policy 1, nice 3, priority 4, flags 0x2"],
  [{ op: "io-priority", value: (2 << 13) | 5 }, "ioprio_set class 2, level 5"],
  [{ op: "cpu-affinity", cpus: [0, 2] }, "sched_setaffinity 0,2"],
  [{ op: "personality", persona: 0x8 }, "personality 0x8"],
  [{ op: "seccomp", flags: 2, program: new BigUint64Array(3) }, "seccomp flags 0x2, 3 instructions"],
  [{ op: "find", candidates: ["/bin/sh", "/usr/bin/sh"] }, "find /bin/sh, /usr/bin/sh"],
  [{ op: "wait", slot: 0 }, "wait ", "start"],
  [{ op: "exec", args: ["sh", "-c", "a b"], env: [] }, "execve sh", 'sh -c "a b"'],
  [{ op: "exec", args: [], env: [] }, "execve ", ""],
  [{ op: "exit" }, "exit "],
  [{ op: "serve-files", root: 1, socket: 2, capabilities: 1n }, "serve files ", "of network with CHOWN"],
];

test.each(TEXTS)("describes $op by its call and what it acts on (%#)", (op, text, detail) => {
  const { call, object } = describeOp(op);
  expect([`${call} ${object}`, detailOp(op, SLOTS)]).toEqual([text, detail]);
});

test("no operation is left out of these", () => {
  expect([...new Set(TEXTS.map(([{ op }]) => op))].sort()).toEqual(Object.keys(OPS).sort());
});
