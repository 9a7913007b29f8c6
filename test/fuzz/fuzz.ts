import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { fuzzTarget, whyNoFuzzer } from "./run-target.ts";
import { coverageOf, targets } from "./targets.ts";
import { buildTargets, type Program } from "./ts/engine/build-targets.ts";
import { coverageLines, scriptTargets, searchTarget } from "./ts/search-target.ts";

const USAGE = `npm run fuzz -- [--seconds N] [--grow] [--coverage] [TARGET…]

Search for inputs that break a target's promise, N seconds (600) for each target.
With libFuzzer, ASan and UBSan, in init's code that reads the agent's input: ${targets.join(", ")}.
In the TypeScript: ${scriptTargets.join(", ")}.
--grow puts what was reached for the first time into test/fuzz/corpus.
--coverage only says how many lines of init, or branches of the TypeScript, the corpus runs.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "600" },
    grow: { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
    help: { type: "boolean" },
  },
});
const seconds = Number(values.seconds);
const isChosen = (target: string) => positionals.length === 0 || positionals.includes(target);
const known: readonly string[] = [...targets, ...scriptTargets];
if (values.help === true || positionals.some((name) => !known.includes(name)) || !(seconds > 0)) {
  console.log(USAGE);
  process.exit(values.help === true ? 0 : 2);
}
const [inC, inScript] = [targets.filter(isChosen), scriptTargets.filter(isChosen)];
if (inScript.length > 0) await fuzzScripts(inScript);
if (inC.length > 0) fuzzInit(inC);

async function fuzzScripts(chosen: readonly string[]): Promise<void> {
  const program = await buildTargets();
  try {
    await searchEach(program, chosen);
  } finally {
    rmSync(dirname(program.path), { recursive: true });
  }
}

async function searchEach(program: Program, chosen: readonly string[]): Promise<void> {
  for (const target of chosen) {
    if (values.coverage) {
      const run = await searchTarget(program, target, { seconds: 0 });
      for (const line of coverageLines(program, run)) console.log(`${target}: ${line}`);
      continue;
    }
    const run = await searchTarget(program, target, { seconds, grow: values.grow });
    console.log(`${target}: ${run.executions} executions in ${seconds} s, ${run.reached.length} branches`);
    if (run.finding === undefined) continue;
    console.error(`${run.finding.error}\nfuzz: ${target} has a finding; its input is in ${run.file}`);
    process.exitCode = 1;
  }
}

function fuzzInit(chosen: typeof targets): void {
  if (values.coverage) {
    for (const target of chosen) console.log(`${target}: ${coverageOf(target).join("; ")}`);
    return;
  }
  const why = whyNoFuzzer();
  if (why !== undefined) {
    console.error(`fuzz: ${why}`);
    process.exitCode = 1;
    return;
  }
  for (const target of chosen) {
    const run = fuzzTarget(target, { seconds, grow: values.grow });
    console.log(`${target}: ${run.executions} executions in ${seconds} s, ${run.edges} edges`);
    if (run.status === 0) continue;
    console.error(`${run.end}\nfuzz: ${target} has a finding; its input is in build/test/fuzz-${target}-*`);
    process.exitCode = 1;
  }
}
