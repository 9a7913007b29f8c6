import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { fuzzTarget, whyNoFuzzer } from "./run-target.ts";
import { writeSeeds } from "./seeds.ts";
import { buildTarget, inputsOf, targets } from "./targets.ts";

/** Seconds for each target. `npm run fuzz` searches for longer. */
const SECONDS = 4;
const seeds = makeWorkDirectory("fuzz-seeds");
afterAll(() => rmSync(seeds, { recursive: true, force: true }));

test.each(targets)(
  "the target %s runs every input of its corpus, every finding and every seed under ASan and UBSan",
  (target) => {
    const inputs = [...inputsOf(target), ...writeSeeds(target, join(seeds, target))];
    expect(inputs.length).toBeGreaterThan(20);
    const run = spawnSync(buildTarget(target, "gcc"), {
      input: inputs.join("\n"),
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    expect(run.stdout, run.stderr.slice(-4000)).toBe(`${inputs.length}\n`);
    expect(run.status).toBe(0);
  },
);

const why = whyNoFuzzer();
describe.skipIf(why !== undefined)(why === undefined ? "fuzzing" : `fuzzing: skipped, ${why}`, () => {
  test.each(targets)(`the target %s survives ${SECONDS} s of arbitrary input under ASan and UBSan`, (target) => {
    const run = fuzzTarget(target, { seconds: SECONDS });
    expect(run.status, `crashing input and trace: ${run.end}`).toBe(0);
    expect(run.executions).toBeGreaterThan(1000);
  });
});
