import { ALL_ACCESS, type DeviceRule, isForAll } from "./device-rules.ts";

/** Offsets in struct bpf_cgroup_dev_ctx, three words: access << 16 | type, major, minor. */
const OFFSET = { accessAndType: 0, major: 4, minor: 8 };
/** BPF_DEVCG_DEV_* constants. */
const TYPE = { b: 1, c: 2 };
/** Registers: the result, the context, one field of it, and the requested access bits that no rule has allowed yet. */
const [RESULT, CONTEXT, FIELD, WANTED] = [0, 1, 2, 3];
/** eBPF opcodes, all 64 bits wide except the loads. */
const OP = {
  loadWord: 0x61,
  loadHalf: 0x69,
  move: 0xb7,
  and: 0x57,
  shiftRight: 0x77,
  jumpAlways: 0x05,
  jumpNotEqual: 0x55,
  jumpAnyBit: 0x45,
  exit: 0x95,
};

/** One instruction: opcode, destination, source, offset, immediate. */
type Instruction = readonly [op: number, to: number, from: number, offset: number, value: number];

/**
 * Compiles a device filter to eBPF, eight bytes for each instruction, for a little-endian machine. For each kind of
 * access (mknod, read, write) the last rule that matches the device and the access decides; without a match, access is
 * denied. So the rules are evaluated from last to first: one that denies a wanted access returns 0; one that allows
 * clears its bits from the wanted access, and returns 1 if none remain.
 */
export function deviceFilter(rules: readonly DeviceRule[]): Uint8Array {
  const program: Instruction[] = [
    [OP.loadWord, WANTED, CONTEXT, OFFSET.accessAndType, 0],
    [OP.shiftRight, WANTED, 0, 0, 16],
  ];
  for (const rule of rules.toReversed()) {
    program.push(...ruleCode(rule));
    // The kernel refuses a program with unreachable instructions.
    if (isForAll(rule)) return encode(program);
  }
  return encode([...program, ...end(0)]);
}

/**
 * Compiles one rule; it falls through to the next if it doesn't decide. Each test reloads its field of the context: the
 * verifier's state is then the same before every rule, so its work grows linearly with the rules, not quadratically.
 */
function ruleCode({ allow, type, major, minor, access }: DeviceRule): Instruction[] {
  const decision = end(allow ? 1 : 0);
  const body: Instruction[] =
    access === ALL_ACCESS
      ? decision
      : allow
        ? [[OP.and, WANTED, 0, 0, ALL_ACCESS & ~access], [OP.jumpNotEqual, WANTED, 0, decision.length, 0], ...decision]
        : [[OP.jumpAnyBit, WANTED, 0, 1, access], [OP.jumpAlways, 0, 0, decision.length, 0], ...decision];
  const conditions: [load: number, offset: number, value: number][] = [];
  if (type !== undefined) conditions.push([OP.loadHalf, OFFSET.accessAndType, TYPE[type]]);
  if (major !== undefined) conditions.push([OP.loadWord, OFFSET.major, major]);
  if (minor !== undefined) conditions.push([OP.loadWord, OFFSET.minor, minor]);
  const tests = conditions.flatMap(([load, offset, value], index): Instruction[] => {
    const rest = (conditions.length - index - 1) * 2 + body.length;
    return [
      [load, FIELD, CONTEXT, offset, 0],
      [OP.jumpNotEqual, FIELD, 0, rest, value],
    ];
  });
  return [...tests, ...body];
}

function end(result: 0 | 1): Instruction[] {
  return [
    [OP.move, RESULT, 0, 0, result],
    [OP.exit, 0, 0, 0, 0],
  ];
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, [op, to, from, offset, value]] of program.entries()) {
    view.setUint8(index * 8, op);
    view.setUint8(index * 8 + 1, (from << 4) | to);
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, value, true);
  }
  return bytes;
}
