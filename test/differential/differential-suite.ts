import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Machine } from "../scenarios/machine.ts";
import { arbitraryDeviceRules } from "./arbitrary-device-rules.ts";
import { arbitrarySpec } from "./arbitrary-spec.ts";
import { compare, inParallel } from "./compare.ts";
import { execSuite } from "./exec-suite.ts";
import { FIXED_SPECS, LIMITED_SPECS } from "./fixed-specs.ts";
import { isKnown, KNOWN_DIFFERENCES, unknownDifferences } from "./known-differences.ts";
import { Observer, type SpecTemplate } from "./observer.ts";
import { PAIR_MS, type SuiteOptions } from "./suite-options.ts";

const MINUTE = 60_000;

/**
 * What a container of guestd sees, and one of crun, for fixed specs and for those that fast-check makes. With
 * GUESTD_SPEC=SEED:INDEX in the environment one of them is run again and made smaller.
 */
export function differentialSuite(machine: () => Machine, { limits, ...options }: SuiteOptions): void {
  const count = Number(process.env["GUESTD_SPECS"] ?? options.count);
  const seed = Number(process.env["GUESTD_SEED"] ?? options.seed);
  const [againSeed, againIndex] = (process.env["GUESTD_SPEC"] ?? "").split(":").map(Number);
  const fixed = { ...FIXED_SPECS, ...(limits ? LIMITED_SPECS : {}) };
  const occurred: { readonly line: string; readonly spec: SpecTemplate }[] = [];
  let observer: Observer;
  beforeAll(async () => {
    observer = await Observer.open(machine());
  });
  afterAll(() => observer?.[Symbol.asyncDispose]());

  it.each(Object.entries(fixed))("%s", async (_, spec) => {
    const { lines, refused } = await compare(observer, spec);
    expect(refused).toBe(false);
    for (const line of lines) occurred.push({ line, spec });
    expect(unknownDifferences(lines, spec)).toEqual([]);
  });

  it("every known difference still occurs in them", () => {
    const expected = KNOWN_DIFFERENCES.filter(({ needsLimits = false }) => limits || !needsLimits);
    const gone = expected.filter((known) => !occurred.some(({ line, spec }) => isKnown(known, line, spec)));
    expect(gone.map(({ difference }) => String(difference))).toEqual([]);
  });

  it(`${count} specs of the seed ${seed}`, { timeout: MINUTE + count * PAIR_MS }, async () => {
    const specs = fc.sample(arbitrarySpec(limits), { seed, numRuns: count });
    const found: string[] = [];
    let ran = 0;
    await inParallel(specs, async (spec, index) => {
      const { lines, refused } = await compare(observer, spec);
      if (!refused) ran++;
      const unknown = unknownDifferences(lines, spec);
      if (unknown.length === 0) return;
      found.push(`GUESTD_SPEC=${seed}:${index}\n  ${unknown.join("\n  ")}\n  ${JSON.stringify(spec)}`);
    });
    expect(found.join("\n")).toBe("");
    // A spec that both refuse shows nothing.
    expect(ran).toBeGreaterThan(count * 0.9);
  });

  execSuite(() => observer, { count: Math.ceil(count / 4), seed, limits });

  const lists = Math.ceil(count / 8);
  // In a container of crun the filter is guestd's (docs/runtimes.md).
  it(`${lists} lists of rules for devices, beside runc`, { timeout: MINUTE + lists * PAIR_MS }, async () => {
    await inParallel(fc.sample(arbitraryDeviceRules, { seed, numRuns: lists }), async (spec) => {
      const { lines, refused } = await compare(observer, spec, { runtime: "runc" });
      expect(refused).toBe(false);
      // The console is open to every container of crun, to one of runc with a terminal, and to none of guestd.
      const unknown = lines.filter((line) => /^(device|refused)/.test(line) && !line.startsWith("device c 5:1: "));
      expect(unknown, JSON.stringify(spec.Linux?.Resources?.Devices)).toEqual([]);
    });
  });

  it.runIf(againIndex !== undefined)("the spec of GUESTD_SPEC, made smaller", { timeout: 10 * MINUTE }, async () => {
    const property = fc.asyncProperty(arbitrarySpec(limits), async (spec) => {
      expect(unknownDifferences((await compare(observer, spec)).lines, spec)).toEqual([]);
    });
    await fc.assert(property, { seed: againSeed ?? seed, path: String(againIndex), numRuns: 1 });
  });
}
