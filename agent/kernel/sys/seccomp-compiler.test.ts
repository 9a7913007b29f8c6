import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileSeccomp, encodeSeccomp, type SeccompDescription } from "./seccomp-compiler.ts";

const EINVAL = 22;
const ERRNO = 0x50001;
const filter: SeccompDescription = {
  defaultAction: 0x7fff0000,
  architectures: ["x86_64", "x86_64", "aarch64"],
  rules: [
    { action: ERRNO, name: "mkdir", conditions: [] },
    { action: ERRNO, name: "no_such_call", conditions: [] },
    { action: ERRNO, name: "personality", conditions: [{ argument: 0, operator: 4, values: [2n ** 63n, 0n] }] },
  ],
};
const packed = encodeSeccomp(filter);

describe("compileSeccomp", () => {
  test("returns instructions, and ignores repeated architectures and unknown system calls", () => {
    const program = compileSeccomp(packed);
    const known = { ...filter, architectures: ["x86_64", "aarch64"], rules: filter.rules.toSpliced(1, 1) };
    expect(program).toBeInstanceOf(BigUint64Array);
    expect(program).toEqual(compileSeccomp(encodeSeccomp(known)));
    expect(program).not.toEqual(compileSeccomp(encodeSeccomp({ ...filter, rules: [] })));
  });

  test("returns the entry that libseccomp refuses", () => {
    const refused = (parts: Partial<SeccompDescription>) => compileSeccomp(encodeSeccomp({ ...filter, ...parts }));
    const action = { action: 0xffff, name: "mkdir", conditions: [] };
    expect(refused({ defaultAction: 0xffff })).toEqual({ entry: 0, errno: EINVAL });
    expect(refused({ architectures: ["x86_64", "vax"] })).toEqual({ entry: 2, errno: EINVAL });
    expect(refused({ rules: [...filter.rules, action] })).toMatchObject({ entry: 7 });
  });

  test("refuses a name that does not fit", () => {
    expect(() => encodeSeccomp({ ...filter, architectures: ["x".repeat(63)] })).not.toThrow();
    expect(() => encodeSeccomp({ ...filter, architectures: ["x".repeat(70)] })).toThrow(
      expect.objectContaining({
        kind: "invalid-argument",
        message: `seccomp filter: name ${"x".repeat(64)}… is longer than 63 bytes`,
      }),
    );
    const unterminated = Buffer.from(packed).fill("x", 12, 12 + 64);
    expect(compileSeccomp(unterminated)).toEqual({ entry: 1, errno: EINVAL });
  });

  test("refuses every description that is cut off or has bytes left", () => {
    for (let length = 0; length < packed.length; length++) {
      expect(compileSeccomp(packed.subarray(0, length))).toMatchObject({ errno: EINVAL });
    }
    expect(compileSeccomp(Buffer.concat([packed, Buffer.alloc(1)]))).toMatchObject({ errno: EINVAL });
  });

  test("reads a description with any bytes changed within its bounds", () => {
    const change = fc.tuple(fc.nat(packed.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const changed = Buffer.from(packed);
        for (const [at, byte] of changes) changed[at] = byte;
        const result = compileSeccomp(changed);
        expect(result instanceof BigUint64Array || result.errno > 0).toBe(true);
      }),
    );
  });
});
