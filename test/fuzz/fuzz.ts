import { parseArgs } from "node:util";
import { fuzzTarget, whyNoFuzzer } from "./run-target.ts";
import { coverageOf, targets } from "./targets.ts";

const USAGE = `npm run fuzz -- [--seconds N] [--grow] [--coverage] [TARGET…]

Runs libFuzzer with ASan and UBSan on what init reads of the agent, N seconds (600) each: ${targets.join(", ")}.
--grow puts what was reached for the first time into test/fuzz/corpus.
--coverage only says how many lines of init the corpus runs.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "600" },
    grow: { type: "boolean" },
    coverage: { type: "boolean" },
    help: { type: "boolean" },
  },
});
const seconds = Number(values.seconds);
const chosen = targets.filter((target) => positionals.length === 0 || positionals.includes(target));
const unknown = positionals.find((name) => !targets.some((target) => target === name));
const why = whyNoFuzzer();
if (values.help === true || unknown !== undefined || !(seconds > 0)) {
  console.log(USAGE);
  process.exit(values.help === true ? 0 : 2);
}
if (values.coverage === true) {
  for (const target of chosen) console.log(`${target}: ${coverageOf(target).join("; ")}`);
  process.exit(0);
}
if (why !== undefined) {
  console.error(`fuzz: ${why}`);
  process.exit(1);
}
for (const target of chosen) {
  const run = fuzzTarget(target, { seconds, grow: values.grow === true });
  console.log(`${target}: ${run.executions} executions in ${seconds} s, ${run.edges} edges`);
  if (run.status === 0) continue;
  console.error(`${run.end}\nfuzz: ${target}: a finding; the input is in build/test/fuzz-${target}-*`);
  process.exitCode = 1;
}
