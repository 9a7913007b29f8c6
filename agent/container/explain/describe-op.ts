import type { PlanOp } from "../../kernel/init/plan.ts";

/** Describes an operation for people: the call, and what it acts on. Never shows environment values. */
export function describeOp(op: PlanOp): {
  readonly call: string;
  readonly object: string;
} {
  switch (op.op) {
    case "unshare":
      return { call: "unshare", object: `flags 0x${op.flags.toString(16)}` };
    case "setns":
      return { call: "setns", object: `flags 0x${op.flags.toString(16)}` };
    case "write":
      return { call: "write", object: `${op.data} to ${op.path}` };
    case "sethostname":
    case "setdomainname":
      return { call: op.op, object: op.name };
    case "propagate":
      return { call: "mount propagation", object: op.path };
    case "open-tree":
      return {
        call: op.recursive ? "bind (recursive)" : "bind",
        object: op.path,
      };
    case "open-tree-slot":
    case "take-mount":
      return { call: "take mount", object: `slot ${op.slot}` };
    case "fsopen":
      return { call: "mount", object: op.type };
    case "fsconfig":
      return {
        call: "mount option",
        object: op.value === undefined ? op.key : `${op.key}=${op.value}`,
      };
    case "fsmount":
      return { call: "mount", object: "new file system" };
    case "attach":
      return { call: "mount on", object: op.target };
    case "remount":
      return { call: "remount", object: op.data === "" ? op.path : `${op.path} with ${op.data}` };
    case "setns-path":
      return { call: "setns", object: op.path };
    case "copy-up":
      return { call: op.content ? "copy up" : "copy mode of", object: op.path };
    case "fork":
      return { call: "fork", object: `flags 0x${op.flags.toString(16)}` };
    case "root":
      return { call: "bind rootfs", object: op.path };
    case "mkdir":
    case "mknod":
    case "symlink":
    case "mask":
    case "readonly":
    case "chdir":
      return { call: op.op, object: op.path };
    case "setattr":
    case "root-attr":
      return {
        call: "mount_setattr",
        object: op.op === "root-attr" ? "/" : "",
      };
    case "rlimit":
      return {
        call: "setrlimit",
        object: `resource ${op.resource} to ${op.soft}/${op.hard}`,
      };
    case "chown-stdio":
      return { call: "chown stdio", object: op.gid === 0xffffffff ? `${op.uid}` : `${op.uid}:${op.gid}` };
    case "user":
      return { call: "set user", object: `${op.uid}:${op.gid}` };
    case "bounding":
    case "drop":
    case "ambient":
      return {
        call: `capabilities (${op.op})`,
        object: `0x${op.mask.toString(16)}`,
      };
    case "capset":
      return {
        call: "capset",
        object: `permitted 0x${op.permitted.toString(16)}`,
      };
    case "umask":
      return { call: "umask", object: op.mask.toString(8) };
    case "scheduler":
      return {
        call: "sched_setattr",
        object: `policy ${op.policy}, nice ${op.nice}, priority ${op.priority}, flags 0x${op.flags.toString(16)}`,
      };
    case "io-priority":
      return { call: "ioprio_set", object: `class ${op.value >> 13}, level ${op.value & 0x1fff}` };
    case "cpu-affinity":
      return { call: "sched_setaffinity", object: op.cpus.join(",") };
    case "personality":
      return { call: "personality", object: `0x${op.persona.toString(16)}` };
    case "seccomp":
      return { call: "seccomp", object: `flags 0x${op.flags.toString(16)}, ${op.program.length} instructions` };
    case "find":
      return { call: "find", object: op.candidates.join(", ") };
    case "exec":
      return { call: "execve", object: op.args[0] ?? "" };
    default:
      return { call: op.op, object: "" };
  }
}
