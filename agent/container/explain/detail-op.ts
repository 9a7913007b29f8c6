import type { MountAttributes, PlanOp } from "../../kernel/init/plan.ts";
import { capabilityNames } from "../process/capabilities.ts";
import { rlimitName } from "../process/rlimits.ts";
import { attributeWords, namespaceWords, propagationWords, remountWords } from "./flag-words.ts";

const UNLIMITED = 2n ** 64n - 1n;
const KINDS = new Map([
  [0o020000, "c"],
  [0o060000, "b"],
  [0o010000, "p"],
]);

/**
 * Describes everything that an operation acts on; undefined if `describeOp` has said it all. Never shows environment
 * values. `slots` are the names of the plan's descriptors.
 */
export function detailOp(op: PlanOp, slots: readonly string[]): string | undefined {
  switch (op.op) {
    case "unshare":
      return `new ${namespaceWords(op.flags)}`;
    case "setns":
      return `${namespaceWords(op.flags)} of ${slots[op.slot]}`;
    case "open-tree-slot":
    case "take-mount":
    case "wait":
      return slots[op.slot];
    case "stdio":
      return [op.stdin, op.stdout, op.stderr].map((slot) => slots[slot]).join(" ");
    case "propagate":
      return `${op.path} ${propagationWords(op.flags)}`;
    case "fsmount":
      return `new file system ${attributeWords(op.attributes)}`.trimEnd();
    case "remount":
      return `${op.path} ${remountWords(op.flags)} ${op.data}`.trimEnd();
    case "fork":
      return op.flags === 0 ? "" : `new ${namespaceWords(op.flags)}`;
    case "setattr":
      return attributes(op);
    case "root-attr":
      return `/ ${attributes(op)}`;
    case "mkdir":
      return `${op.path} mode ${op.mode.toString(8)}`;
    case "mknod": {
      const number = `${KINDS.get(op.mode & 0o170000) ?? "?"} ${op.major}:${op.minor}`;
      return `${op.path} ${number} mode ${(op.mode & 0o7777).toString(8)} owner ${op.uid}:${op.gid}`;
    }
    case "symlink":
      return `${op.path} -> ${op.target}`;
    case "rlimit":
      return `${rlimitName(op.resource)} ${limit(op.soft)} hard ${limit(op.hard)}`;
    case "user":
      return `${op.uid}:${op.gid}${op.groups.length === 0 ? "" : ` groups ${op.groups.join(" ")}`}`;
    case "bounding":
    case "drop":
    case "ambient":
      return capabilityNames(op.mask);
    case "capset":
      return sets([
        ["effective", op.effective],
        ["permitted", op.permitted],
        ["inheritable", op.inheritable],
      ]);
    case "exec":
      return commandLine(op.args);
    default:
      return undefined;
  }
}

function attributes({ set, clear, propagation, recursive }: MountAttributes): string {
  const parts = [
    attributeWords(set),
    clear === 0 ? "" : `without ${attributeWords(clear & ~set)}`.replace(/without $/, ""),
    propagation === 0 ? "" : propagationWords(propagation),
    recursive ? "recursively" : "",
  ];
  return parts.filter((part) => part !== "").join(" ");
}

function sets(named: readonly (readonly [string, bigint])[]): string {
  const [[, first] = ["", 0n]] = named;
  if (named.every(([, mask]) => mask === first)) return `all sets ${capabilityNames(first)}`;
  return named.map(([name, mask]) => `${name} ${capabilityNames(mask)}`).join("; ");
}

function limit(value: bigint): string {
  return value === UNLIMITED ? "unlimited" : String(value);
}

/** Quotes arguments roughly as a shell needs them. */
export function commandLine(args: readonly string[]): string {
  return args.map((arg) => (/^[\w./=:@%+-]+$/.test(arg) ? arg : JSON.stringify(arg))).join(" ");
}
