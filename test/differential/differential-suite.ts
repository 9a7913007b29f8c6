import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Machine } from "../scenarios/machine.ts";
import { arbitrarySpec } from "./arbitrary-spec.ts";
import { FIXED_SPECS } from "./fixed-specs.ts";
import { isKnown, KNOWN_DIFFERENCES, unknownDifferences } from "./known-differences.ts";
import { differences } from "./observation.ts";
import { Observer, type SpecTemplate } from "./observer.ts";

/** Pairs of containers at once: one waits for its host while another runs. */
const AT_ONCE = 3;
const MINUTE = 60_000;

/**
 * What a container of guestd sees, and one of crun, for fixed specs and for `count` that fast-check makes. Environment:
 * GUESTD_SPECS is the count, GUESTD_SEED the seed, and GUESTD_SPEC=SEED:INDEX runs one of them again and makes it smaller.
 */
export function differentialSuite(
  machine: () => Machine,
  options: { readonly count: number; readonly seed: number },
): void {
  const count = Number(process.env["GUESTD_SPECS"] ?? options.count);
  const seed = Number(process.env["GUESTD_SEED"] ?? options.seed);
  const [againSeed, againIndex] = (process.env["GUESTD_SPEC"] ?? "").split(":").map(Number);
  const occurred: { readonly line: string; readonly spec: SpecTemplate }[] = [];
  let observer: Observer;
  beforeAll(async () => {
    observer = await Observer.open(machine());
  });
  afterAll(() => observer?.[Symbol.asyncDispose]());

  async function compare(spec: SpecTemplate): Promise<{ readonly lines: string[]; readonly refused: boolean }> {
    const [guestd, crun] = await Promise.all([observer.observe(spec, ""), observer.observe(spec, "crun")]);
    const refused = guestd.refused !== undefined && crun.refused !== undefined;
    if (refused || guestd.refused === crun.refused) return { lines: differences(guestd.seen, crun.seen), refused };
    return { lines: [`refused: ${guestd.refused ?? "(runs)"} | ${crun.refused ?? "(runs)"}`], refused };
  }

  it.each(Object.keys(FIXED_SPECS))("%s", async (name) => {
    const spec = FIXED_SPECS[name] ?? {};
    const { lines, refused } = await compare(spec);
    expect(refused).toBe(false);
    for (const line of lines) occurred.push({ line, spec });
    expect(unknownDifferences(lines, spec)).toEqual([]);
  });

  it("every known difference still occurs in them", () => {
    const gone = KNOWN_DIFFERENCES.filter(
      (known) =>
        (machine().real || known.needsLimits !== true) &&
        !occurred.some(({ line, spec }) => isKnown(known, line, spec)),
    );
    expect(gone.map(({ difference }) => String(difference))).toEqual([]);
  });

  it(`${count} specs of the seed ${seed}`, { timeout: MINUTE + count * 10_000 }, async () => {
    const specs = fc.sample(arbitrarySpec(machine().real), { seed, numRuns: count });
    const found: string[] = [];
    let ran = 0;
    await inParallel(specs, async (spec, index) => {
      const { lines, refused } = await compare(spec);
      if (!refused) ran++;
      const unknown = unknownDifferences(lines, spec);
      if (unknown.length === 0) return;
      found.push(`GUESTD_SPEC=${seed}:${index}\n  ${unknown.join("\n  ")}\n  ${JSON.stringify(spec)}`);
    });
    expect(found.join("\n")).toBe("");
    // A spec that both refuse shows nothing.
    expect(ran).toBeGreaterThan(count * 0.9);
  });

  it.runIf(againIndex !== undefined)("the spec of GUESTD_SPEC, made smaller", { timeout: 10 * MINUTE }, async () => {
    const property = fc.asyncProperty(arbitrarySpec(machine().real), async (spec) => {
      expect(unknownDifferences((await compare(spec)).lines, spec)).toEqual([]);
    });
    await fc.assert(property, { seed: againSeed ?? seed, path: String(againIndex), numRuns: 1 });
  });
}

async function inParallel<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const entries = items.entries();
  const worker = async () => {
    for (const [index, item] of entries) await work(item, index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
