import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";

export const EIO = 5;
export const EAGAIN = 11;
export const ENODEV = 19;
export const EINVAL = 22;
export const EINPROGRESS = 115;

/** Returns the result of an addon call, or throws a SystemError naming the call and its object ("fd 7" for a number). */
export function checked(result: number, call: string, object: string | Fd, detail = ""): number {
  if (result >= 0) return result;
  throw new SystemError(call, -result, typeof object === "number" ? `fd ${object}` : object, detail);
}

/** Returns the two descriptors that an addon call writes to an array. */
export function checkedPair(make: (out: Int32Array) => number, call: string): [Fd, Fd] {
  const out = new Int32Array(2);
  checked(make(out), call, "");
  return [out[0] ?? -1, out[1] ?? -1];
}
