import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { assembleFilter } from "./call-filter.ts";
import { confineAgent, refuseModules } from "./confine.ts";
import { BPF, MODULE_CALLS, REFUSED_CALLS, SOCKET } from "./refused-calls.ts";

const HEADERS = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  arm64: "/usr/include/asm-generic/unistd.h",
} as const;

describe.each(["x64", "arm64"] as const)("the numbers of the refused calls on %s", (machine) => {
  const path = HEADERS[machine];
  it.skipIf(!existsSync(path))(existsSync(path) ? "match the kernel's" : `skipped: no ${path}`, () => {
    const text = readFileSync(path, "utf8").replaceAll("__NR3264_", "__NR_");
    const numbers = new Map(
      Array.from(text.matchAll(/^#define __NR_(\w+)\s+(\d+)/gm), ([, name, number]) => [name, Number(number)]),
    );
    for (const [name, call] of Object.entries({ ...REFUSED_CALLS, ...MODULE_CALLS, bpf: BPF, socket: SOCKET })) {
      expect(call[machine], name).toBe(numbers.get(name));
    }
  });
});

/** Runs a filter on one call, as the kernel would. */
function run(filter: Uint8Array, call: number, firstArgument = 0, architecture = 0xc000_003e): number {
  const data = new Map([
    [0, call],
    [4, architecture],
    [16, firstArgument],
  ]);
  const code = Buffer.from(filter);
  let register = 0;
  for (let at = 0; ; at += 8) {
    const [operation, value] = [code.readUInt16LE(at), code.readUInt32LE(at + 4)];
    if (operation === 0x06) return value;
    if (operation === 0x20) register = data.get(value) ?? Number.NaN;
    else {
      const isTrue = operation === 0x15 ? register === value : register > value;
      at += 8 * code.readUInt8(at + (isTrue ? 2 : 3));
    }
  }
}

const [ALLOW, EPERM, ENOSYS] = [0x7fff_0000, 0x5_0001, 0x5_0026];

describe("a filter", () => {
  const filter = assembleFilter("x64", {
    refused: [101, 172, 310],
    limited: [
      [41, [1, 2]],
      [321, [5]],
    ],
    newest: 452,
  });

  it("refuses the calls in its list, and unknown numbers as an older kernel would", () => {
    expect([100, 101, 102, 172, 310, 311, 452].map((call) => run(filter, call))).toEqual([
      ALLOW,
      EPERM,
      ALLOW,
      EPERM,
      EPERM,
      ALLOW,
      ALLOW,
    ]);
    expect([453, 0x4000_0000 + 101, 0xffff_ffff].map((call) => run(filter, call))).toEqual([ENOSYS, ENOSYS, ENOSYS]);
  });

  it("allows limited calls with the listed first arguments only", () => {
    expect([0, 1, 2, 3, 38].map((family) => run(filter, 41, family))).toEqual([EPERM, ALLOW, ALLOW, EPERM, EPERM]);
    expect([0, 5, 6].map((command) => run(filter, 321, command))).toEqual([EPERM, ALLOW, EPERM]);
  });

  it("refuses all calls of another architecture, whose numbers differ", () => {
    expect(run(filter, 1, 0, 0x4000_0003)).toBe(EPERM);
  });
});

describe("an agent that can't be confined", () => {
  const failing = {
    refuseCalls: () => {
      throw new Error("seccomp: EINVAL");
    },
    setDumpable: () => undefined,
  };

  it("reports each missing protection in one line, and runs", () => {
    expect(confineAgent(failing, "x64")).toEqual(["seccomp: EINVAL"]);
    expect(refuseModules(failing, "arm64")).toEqual(["seccomp: EINVAL"]);
    expect(confineAgent(failing, "ppc64")).toEqual(["no filter of system calls for ppc64"]);
  });
});
