import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FOLDERS, productFiles } from "../mutation/product-files.ts";
import { runStryker } from "../mutation/run-stryker.ts";
import { sampleLines } from "../mutation/sample.ts";
import { whyNoSandbox } from "../mutation/sandbox.ts";
import { scores, scoreTable, survivors } from "../mutation/score.ts";

const tree = join(import.meta.dirname, "../..");
const LINES = 60;
/** The aim is 85. A sample of this size of what is measured (docs/testing.md) stays above this. */
const AT_LEAST = 65;
const reason = whyNoSandbox();

describe(reason === undefined ? "mutants" : `mutants (skipped: ${reason})`, { skip: reason !== undefined }, () => {
  it(`unit tests notice ${AT_LEAST} % of the mutants on ${LINES} lines of each folder, others every day`, async ({
    signal,
  }) => {
    const seed = new Date().toISOString().slice(0, 10);
    const report = await runStryker(tree, sampleLines(tree, await productFiles(tree), LINES, seed), signal);
    const rows = scores(report, FOLDERS);
    process.stdout.write(`seed ${seed}\n${scoreTable(rows)}${survivors(report).join("\n")}\n`);
    expect(rows.at(-1)?.score).toBeGreaterThanOrEqual(AT_LEAST);
  });
});
