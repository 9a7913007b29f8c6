import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FOLDERS, productFiles } from "./product-files.ts";
import { runStryker } from "./run-stryker.ts";
import { sampleLines } from "./sample.ts";
import { whyNoSandbox } from "./sandbox.ts";
import { scores, scoreTable, survivors } from "./score.ts";

const tree = join(import.meta.dirname, "../..");
const HELP = `Changes the agent's sources, one mutant at a time, and runs the unit tests that cover it. Needs root.
  --files PREFIX    only files whose path begins so (default: those in ${FOLDERS.join(", ")})
  --lines N         only mutants on N lines of each folder, drawn at random (default: all mutants)
  --seed TEXT       draw other lines (default: today's date)
  --json FILE       write Stryker's report too
Prints the score of each folder, and each mutant that no test notices.`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      files: { type: "string", default: "" },
      lines: { type: "string" },
      seed: { type: "string", default: new Date().toISOString().slice(0, 10) },
      json: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  const reason = whyNoSandbox();
  if (reason !== undefined) throw new Error(`mutation run: ${reason}`);
  const { files, lines, seed } = values;
  const sources = (await productFiles(tree)).filter((file) => file.startsWith(files));
  const report = await runStryker(
    tree,
    lines === undefined ? sources : sampleLines(tree, sources, Number(lines), seed),
  );
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(report));
  if (lines !== undefined) process.stdout.write(`seed ${seed}\n`);
  process.stdout.write(scoreTable(scores(report, FOLDERS)));
  for (const line of survivors(report)) process.stdout.write(`${line}\n`);
}

await main();
