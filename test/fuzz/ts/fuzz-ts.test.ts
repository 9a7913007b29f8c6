import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildTargets, type Program } from "./engine/build-targets.ts";
import { inputsOf, scriptTargets, searchTarget } from "./search-target.ts";
import { targets } from "./targets/all.ts";

/** Seconds for each target. `npm run fuzz` searches for longer. */
const SECONDS = 0.3;

let program: Program;
beforeAll(async () => {
  program = await buildTargets();
});
afterAll(() => rmSync(dirname(program.path), { recursive: true }));

describe("the promise of the TypeScript target", { concurrent: true }, () => {
  test.each(targets)("$name holds for every tried input: $promise", async ({ name }) => {
    const run = await searchTarget(program, name, { seconds: SECONDS });
    expect(run.finding?.error, `input: ${run.file}`).toBeUndefined();
    expect(run.inputs).toBeGreaterThanOrEqual(inputsOf(name).length);
    expect(run.executions).toBeGreaterThan(run.inputs);
  });
});

test("every TypeScript target has a corpus", () => {
  for (const name of scriptTargets) expect(inputsOf(name).length, name).toBeGreaterThan(0);
});
