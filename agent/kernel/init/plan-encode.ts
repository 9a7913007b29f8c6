import { AgentError } from "../error.ts";
import { MAX_PLAN_BYTES, MAX_PLAN_DATA, type PlanOp } from "./plan.ts";

type OpName = PlanOp["op"];
type OpOf<N extends OpName> = Extract<PlanOp, { readonly op: N }>;

const MAGIC = 0x314c5047;
const HEADER_BYTES = 32;
const OP_BYTES = 32;
const NO_STRING = 0xffffffff;

/**
 * Encoders of the operations' arguments, in the order of PLAN_OPS in agent/native/init/plan.h: an operation's code is its
 * position in this list, from 1.
 */
const ENCODERS: { readonly [N in OpName]: (put: PlanWriter, op: OpOf<N>) => void } = {
  unshare: (put, op) => put.u32(op.flags),
  setns: (put, op) => put.u32(op.slot).u32(op.flags),
  setsid: () => {},
  write: (put, op) => put.string(op.path).string(op.data),
  sethostname: (put, op) => put.string(op.name),
  setdomainname: (put, op) => put.string(op.name),
  propagate: (put, op) => put.string(op.path).u32(op.flags),
  "open-tree": (put, op) =>
    put
      .flag(op.from === "root")
      .string(op.path)
      .flag(op.recursive),
  "open-tree-slot": (put, op) => put.u32(op.slot).flag(op.recursive),
  "take-mount": (put, op) => put.u32(op.slot),
  fsopen: (put, op) => put.string(op.type),
  fsconfig: (put, op) => put.string(op.key).optional(op.value),
  fsmount: (put, op) => put.u32(op.attributes),
  setattr: (put, op) => put.u32(op.set).u32(op.clear).u32(op.propagation).flag(op.recursive),
  root: (put, op) => put.string(op.path),
  attach: (put, op) => put.string(op.target).flag(op.overProc),
  mkdir: (put, op) => put.string(op.path).u32(op.mode),
  mknod: (put, op) => put.string(op.path).u32(op.mode).u32(op.major).u32(op.minor).u32(op.uid).u32(op.gid),
  symlink: (put, op) => put.string(op.target).string(op.path),
  mask: (put, op) => put.string(op.path),
  readonly: (put, op) => put.string(op.path),
  "root-attr": (put, op) => put.u32(op.set).u32(op.clear).u32(op.propagation).flag(op.recursive),
  remount: (put, op) => put.string(op.path).u32(op.flags).string(op.data),
  "copy-up": (put, op) => put.string(op.path).flag(op.mode).flag(op.content),
  fork: (put, op) => put.u32(op.flags),
  "setns-path": (put, op) => put.string(op.path).u32(op.flags),
  pivot: () => {},
  chdir: (put, op) => put.string(op.path),
  stdio: (put, op) => put.u32(op.stdin).u32(op.stdout).u32(op.stderr),
  ctty: () => {},
  "chown-stdio": (put, op) => put.u32(op.uid).u32(op.gid),
  rlimit: (put, op) => put.u32(op.resource).u64(op.soft).u64(op.hard),
  umask: (put, op) => put.u32(op.mask),
  bounding: (put, op) => put.u64(op.mask),
  keepcaps: () => {},
  user: (put, op) => put.u32(op.uid).u32(op.gid).numbers(op.groups),
  capset: (put, op) => put.u64(op.effective).u64(op.permitted).u64(op.inheritable),
  ambient: (put, op) => put.u64(op.mask),
  "no-new-privs": () => {},
  scheduler: (put, op) => put.data(schedAttr(op)),
  "io-priority": (put, op) => put.u32(op.value),
  "cpu-affinity": (put, op) => put.data(cpuMask(op.cpus)),
  personality: (put, op) => put.u32(op.persona),
  seccomp: (put, op) => put.u32(op.flags).data(op.program),
  find: (put, op) => put.strings(op.candidates),
  wait: (put, op) => put.u32(op.slot),
  exec: (put, op) => put.strings(op.args).strings(op.env),
  "session-keyring": () => {},
  "own-root": () => {},
  exit: () => {},
  drop: (put, op) => put.u64(op.mask),
};

const CODES = new Map(Object.keys(ENCODERS).map((name, index) => [name, index + 1]));

/**
 * Encodes a plan as plan.h defines it. Throws AgentError "invalid-argument" for a zero byte in a string, a number outside
 * 32 (or 64) bits, or a plan of more than MAX_PLAN_BYTES. Init checks everything else.
 */
export function encodePlan(plan: readonly PlanOp[]): Uint8Array {
  const writer = new PlanWriter(plan.length);
  for (const op of plan) {
    writer.begin(op.op, CODES.get(op.op) ?? 0);
    (ENCODERS[op.op] as (put: PlanWriter, op: PlanOp) => void)(writer, op);
  }
  return writer.finish();
}

/** Encodes a struct sched_attr of the first version, 48 bytes. */
function schedAttr(op: OpOf<"scheduler">): BigUint64Array {
  const words = new BigUint64Array(6);
  new Uint32Array(words.buffer, 0, 2).set([words.byteLength, op.policy]);
  words[1] = BigInt(op.flags);
  new Int32Array(words.buffer, 16, 2).set([op.nice, op.priority]);
  for (const [index, value] of [op.runtime, op.deadline, op.period].entries()) words[3 + index] = BigInt(value);
  return words;
}

function cpuMask(cpus: readonly number[]): BigUint64Array {
  const words = new BigUint64Array(Math.floor(Math.max(0, ...cpus) / 64) + 1);
  for (const cpu of cpus) words[Math.floor(cpu / 64)] = (words[Math.floor(cpu / 64)] ?? 0n) | (1n << BigInt(cpu % 64));
  return words;
}

class PlanWriter {
  readonly #ops: Uint32Array;
  readonly #words: (number | bigint)[] = [];
  readonly #strings: string[] = [];
  readonly #count: number;
  #stringBytes = 0;
  #next = 0;
  #at = 0;
  #name = "";

  constructor(count: number) {
    this.#count = count;
    this.#ops = new Uint32Array((count * OP_BYTES) / 4);
  }

  begin(name: string, code: number): void {
    this.#name = name;
    this.#at = (this.#next++ * OP_BYTES) / 4;
    this.u32(code);
  }

  /** Appends 32 bits; a negative number is the signed reading of the same bits. */
  u32(value: number): this {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff) {
      throw this.#refuse(`${value} isn't a 32-bit number`);
    }
    this.#ops[this.#at++] = value;
    return this;
  }

  flag(value: boolean): this {
    return this.u32(value ? 1 : 0);
  }

  u64(value: bigint): this {
    if (BigInt.asUintN(64, value) !== value) throw this.#refuse(`${value} isn't an unsigned 64-bit number`);
    this.#ops[this.#at++] = Number(value & 0xffffffffn);
    this.#ops[this.#at++] = Number(value >> 32n);
    return this;
  }

  string(value: string): this {
    return this.u32(this.#add(value));
  }

  optional(value: string | undefined): this {
    return this.u32(value === undefined ? NO_STRING : this.#add(value));
  }

  strings(values: readonly string[]): this {
    this.u32(this.#words.length).u32(values.length);
    for (const value of values) this.#words.push(this.#add(value));
    this.#words.push(0); // room for the null pointer that ends the array
    return this;
  }

  numbers(values: readonly number[]): this {
    this.u32(this.#words.length).u32(values.length);
    for (const value of values) {
      if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw this.#refuse(`${value} isn't a group id`);
      this.#words.push(value);
    }
    return this;
  }

  /** Appends 64-bit words, at most MAX_PLAN_DATA. */
  data(words: BigUint64Array): this {
    if (words.length === 0 || words.length > MAX_PLAN_DATA) throw this.#refuse(`${words.length} words of data`);
    this.u32(this.#words.length).u32(words.length);
    for (const word of words) this.#words.push(word);
    return this;
  }

  finish(): Uint8Array {
    const start = HEADER_BYTES + this.#ops.byteLength + this.#words.length * 8;
    const stringBytes = this.#stringBytes + 1; // so that the area is never empty and always ends with a zero byte
    const bytes = Buffer.alloc(start + stringBytes);
    const header = [MAGIC, this.#count, this.#words.length, stringBytes];
    for (const [index, value] of header.entries()) bytes.writeUInt32LE(value, index * 4);
    bytes.set(new Uint8Array(this.#ops.buffer), HEADER_BYTES);
    let at = HEADER_BYTES + this.#ops.byteLength;
    for (const word of this.#words) {
      if (typeof word === "bigint") bytes.writeBigUInt64LE(word, at);
      else bytes.writeUInt32LE(word, at);
      at += 8;
    }
    // Written in one call: every string ends with a zero byte.
    bytes.write(this.#strings.join("\0"), at);
    return bytes;
  }

  #add(value: string): number {
    if (value.includes("\0")) throw this.#refuse("a string contains a zero byte");
    const offset = this.#stringBytes;
    this.#strings.push(value);
    this.#stringBytes += Buffer.byteLength(value) + 1;
    if (this.#stringBytes + this.#words.length * 8 + this.#ops.byteLength + HEADER_BYTES >= MAX_PLAN_BYTES) {
      throw this.#refuse(`the plan is larger than ${MAX_PLAN_BYTES} bytes; shorten arguments or environment`);
    }
    return offset;
  }

  #refuse(why: string): AgentError {
    return new AgentError("invalid-argument", `launch plan, operation ${this.#next - 1} (${this.#name}): ${why}`);
  }
}
