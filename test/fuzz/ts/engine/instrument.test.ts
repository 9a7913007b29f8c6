import { expect, test } from "vitest";
import { instrument } from "./instrument.ts";

/** Runs `code`, which ends in `return`. Returns its value and the ids of the branches that it took. */
function run(code: string): { readonly value: unknown; readonly hits: readonly number[]; readonly branches: number } {
  let branches = 0;
  const hits: number[] = [];
  const counted = instrument(code, () => branches++);
  const same = (a: unknown, b: unknown) => a === b;
  const value = new Function("$hit", "$same", counted)((id: number) => hits.push(id), same) as unknown;
  return { value, hits, branches };
}

test.each([
  ["const v = null; if (typeof v !== 'object' || v === null || Array.isArray(v)) return 'none'; return 'some'", "none"],
  ["const f = (a) => ({ a }); return f(1).a !== 2 && (f(1).a === 1 ? 'one' : 'two')", "one"],
  ["const f = (a, b = a === 1 ? 5 : 6) => a + b; return [f(1), f(2)].join()", "6,8"],
  ["let n = 0; for (let i = 0; i < 5; i++) if (i === 3) break; else if (i === 1) continue; else n += i; return n", 2],
  ["switch (2) { case 1: case 2: { return 'b' } default: return 'c' }", "b"],
  ["const g = function* () { yield* [1, 2]; }; try { null.x } catch { return [...g()].length }", 2],
  ["class A { #x = 1; get(y) { return y === this.#x || ((y) => y ?? 7)() } } return new A().get(0)", 7],
  ["do if (1 !== 2) if (2 === 1) return 1; else break; while (0); return ((1) === (1)) ? ('t') : 'f'", "t"],
])("%s returns the same when its branches are counted", (code, value) => {
  const counted = run(code);
  expect(counted.value).toBe(value);
  expect(counted.hits.length).toBeGreaterThan(0);
});

test("a branch that isn't taken isn't counted", () => {
  const [taken, other] = [true, false].map((which) => run(`if (${which}) return 1; return 2`));
  expect([taken?.branches, taken?.hits.length, other?.hits.length]).toEqual([2, 1, 1]);
  expect(taken?.hits).not.toEqual(other?.hits);
});
