import fc from "fast-check";
import { expect, it } from "vitest";
import { arbitraryExec, type Exec } from "./arbitrary-exec.ts";
import { compare, inParallel } from "./compare.ts";
import { FIXED_EXECS } from "./fixed-execs.ts";
import { isKnown, unknownDifferences } from "./known-differences.ts";
import { KNOWN_EXEC_DIFFERENCES } from "./known-exec-differences.ts";
import type { Observer } from "./observer.ts";
import { PAIR_MS, type SuiteOptions } from "./suite-options.ts";

/** Registers comparisons of what execs in containers of guestd and crun see. */
export function execSuite(observer: () => Observer, { count, seed, limits }: SuiteOptions): void {
  const occurred: (Exec & { readonly line: string })[] = [];
  const run = async ({ spec, exec }: Exec) => {
    const { lines, refused } = await compare(observer(), spec, { exec });
    return { lines, refused, unknown: unknownDifferences(lines, spec, KNOWN_EXEC_DIFFERENCES, exec) };
  };

  it.each(Object.entries(FIXED_EXECS))("%s sees what it sees with crun", async (_, both) => {
    const { lines, refused, unknown } = await run(both);
    expect(refused).toBe(false);
    for (const line of lines) occurred.push({ ...both, line });
    expect(unknown).toEqual([]);
  });

  it("known differences of execs all still occur", () => {
    const gone = KNOWN_EXEC_DIFFERENCES.filter(
      (known) => !occurred.some(({ line, spec, exec }) => isKnown(known, line, spec, exec)),
    );
    expect(gone.map(({ difference }) => String(difference))).toEqual([]);
  });

  it(`${count} random execs of the seed ${seed} see what they see with crun`, {
    timeout: (count + 6) * PAIR_MS,
  }, async () => {
    const found: string[] = [];
    let ran = 0;
    await inParallel(fc.sample(arbitraryExec(limits), { seed, numRuns: count }), async (both, index) => {
      const { refused, unknown } = await run(both);
      if (!refused) ran++;
      if (unknown.length > 0) found.push(`${seed}:${index}\n  ${unknown.join("\n  ")}\n  ${JSON.stringify(both)}`);
    });
    expect(found.join("\n")).toBe("");
    // An exec that both refuse shows nothing.
    expect(ran).toBeGreaterThan(count * 0.9);
  });
}
