/** A machine that the agent runs on, as Node names it. */
export type Machine = "x64" | "arm64";

/** AUDIT_ARCH_* */
const ARCHITECTURES: Readonly<Record<Machine, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

/** BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, the same with BPF_JGT, BPF_RET | BPF_K. */
const [LOAD, IF_EQUAL, IF_GREATER, RETURN] = [0x20, 0x15, 0x25, 0x06];
/** Offsets in struct seccomp_data. FIRST_ARGUMENT is its lower half: all arguments compared are int. */
const [NUMBER, ARCHITECTURE, FIRST_ARGUMENT] = [0, 4, 16];
const ALLOW = 0x7fff_0000;
const errno = (number: number) => 0x5_0000 + number;
const EPERM = 1;
const ENOSYS = 38;

export interface CallFilter {
  readonly refused: readonly number[];
  /** Calls that are allowed only with some first arguments. */
  readonly limited?: readonly (readonly [call: number, firstArguments: readonly number[]])[];
  /** Greater numbers fail with ENOSYS. */
  readonly newest?: number;
}

/** Assembles a seccomp filter that fails the refused calls and all calls of other architectures with EPERM, and allows the rest. */
export function assembleFilter(machine: Machine, { refused, limited = [], newest }: CallFilter): Uint8Array {
  const words: number[] = [];
  /** struct sock_filter: u16 code, u8 jumps if true and if false, u32 value. */
  const add = (operation: number, ifTrue: number, ifFalse: number, value: number) =>
    words.push((operation | (ifTrue << 16) | (ifFalse << 24)) >>> 0, value);
  add(LOAD, 0, 0, ARCHITECTURE);
  add(IF_EQUAL, 1, 0, ARCHITECTURES[machine]);
  add(RETURN, 0, 0, errno(EPERM));
  add(LOAD, 0, 0, NUMBER);
  if (newest !== undefined) {
    add(IF_GREATER, 0, 1, newest);
    add(RETURN, 0, 0, errno(ENOSYS));
  }
  for (const [call, values] of limited) {
    // A block of its own: load, one comparison per value, two returns.
    add(IF_EQUAL, 0, values.length + 3, call);
    add(LOAD, 0, 0, FIRST_ARGUMENT);
    for (const [index, value] of values.entries()) add(IF_EQUAL, values.length - index, 0, value);
    add(RETURN, 0, 0, errno(EPERM));
    add(RETURN, 0, 0, ALLOW);
  }
  for (const [index, call] of refused.entries()) add(IF_EQUAL, refused.length - index, 0, call);
  add(RETURN, 0, 0, ALLOW);
  add(RETURN, 0, 0, errno(EPERM));
  return new Uint8Array(Uint32Array.from(words).buffer);
}
