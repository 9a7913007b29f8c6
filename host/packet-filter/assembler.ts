/** BPF_MAXINSNS. */
const MAX_INSTRUCTIONS = 4096;

/** Operations of classic BPF (linux/filter.h): class, size and mode in one number. */
const OP = {
  loadWord: 0x20,
  loadHalf: 0x28,
  loadByte: 0x30,
  /** Relative to the index register. */
  loadHalfIndexed: 0x48,
  /** Four times the lower half of a byte, to the index register: the length of an IPv4 header. */
  indexHeaderLength: 0xb1,
  and: 0x54,
  jump: 0x05,
  jumpEqual: 0x15,
  jumpGreater: 0x25,
  jumpGreaterOrEqual: 0x35,
  jumpIfAny: 0x45,
  return: 0x06,
} as const;
export type Operation = keyof typeof OP;
export type Comparison = Extract<Operation, `jump${string}`>;

/** A place in the program that jumps go to. */
export interface Label {
  at: number | undefined;
}

interface Instruction {
  readonly operation: Operation;
  readonly value: number;
  readonly ifTrue?: number;
  /** Target of a jump, which goes forward. */
  readonly to?: Label;
}

/** Assembles a classic BPF program whose jumps go forward. */
export class Assembler {
  readonly #instructions: Instruction[] = [];

  add(operation: Operation, value: number): void {
    this.#instructions.push({ operation, value });
  }

  /** Continues if the accumulator compares to `value`, otherwise jumps: in two instructions, as a condition reaches only 255. */
  unless(comparison: Comparison, value: number, to: Label): void {
    this.#instructions.push({ operation: comparison, value, ifTrue: 1 });
    this.jump(to);
  }

  jump(to: Label): void {
    this.#instructions.push({ operation: "jump", value: 0, to });
  }

  mark(label: Label): void {
    label.at = this.#instructions.length;
  }

  /** Returns the program in the byte order of x86 and ARM; undefined if it is too long. */
  bytes(): Uint8Array | undefined {
    if (this.#instructions.length > MAX_INSTRUCTIONS) return undefined;
    const program = Buffer.alloc(this.#instructions.length * 8);
    for (const [index, { operation, value, ifTrue = 0, to }] of this.#instructions.entries()) {
      program.writeUInt16LE(OP[operation], index * 8);
      program.writeUInt8(ifTrue, index * 8 + 2);
      program.writeUInt32LE(to === undefined ? value : (to.at ?? 0) - index - 1, index * 8 + 4);
    }
    return program;
  }
}
