import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { fuzzTarget, whyNoFuzzer } from "./run-target.ts";
import { buildTarget, inputsOf, targets } from "./targets.ts";

/** For each target. Longer runs: `npm run fuzz`. */
const SECONDS = 4;

test.each(targets)(
  "init's %s: every input of the corpus, and every finding, is taken under ASan and UBSan",
  (target) => {
    const inputs = inputsOf(target);
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
  test.each(targets)(`init's %s survive ${SECONDS} s of arbitrary input under ASan and UBSan`, (target) => {
    const run = fuzzTarget(target, { seconds: SECONDS });
    expect(run.status, `crashing input and trace: ${run.end}`).toBe(0);
    expect(run.executions).toBeGreaterThan(1000);
  });
});
