import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { writeSeeds } from "./seeds.ts";
import { buildTarget, corpusOf, findingsOf, type Target } from "./targets.ts";

/**
 * Maximum length of an input, in bytes. Longer inputs are slower and reach nothing more; a plan may have a path of 4095
 * bytes.
 */
const MAX_LENGTH = 8192;

/** Returns why this machine can't run the fuzzer; undefined if it can. */
export function whyNoFuzzer(): string | undefined {
  if (!existsSync("/usr/bin/clang")) return "no clang: sh host/setup/setup.sh test --dev";
  const probe = spawnSync("clang", ["-fsanitize=fuzzer,address", "-x", "c", "-", "-o", "/dev/null"], {
    input: "int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d, (void)n; return 0; }",
    encoding: "utf8",
  });
  return probe.status === 0 ? undefined : "clang has no libFuzzer: sh host/setup/setup.sh test --dev";
}

export interface FuzzRun {
  /** Exit status of the fuzzer: 0 if it found nothing. */
  readonly status: number | null;
  readonly executions: number;
  /** Number of reached edges. */
  readonly edges: number;
  /** Last lines of the fuzzer's output. */
  readonly end: string;
}

/**
 * Runs the fuzzer on a target. With `grow`, inputs that reach something new join the corpus, which is then minimised.
 */
export function fuzzTarget(target: Target, options: { readonly seconds: number; readonly grow?: boolean }): FuzzRun {
  const program = buildTarget(target, "clang");
  const work = makeWorkDirectory(`fuzz-${target}`);
  const [found, seeds] = [join(work, "found"), join(work, "seeds")];
  try {
    mkdirSync(found);
    writeSeeds(target, seeds);
    const corpus = [corpusOf(target), findingsOf(target)].filter((path) => existsSync(path));
    const flags = [`-max_len=${MAX_LENGTH}`, `-artifact_prefix=${join(work, "..")}/fuzz-${target}-`];
    const run = fuzzer(program, [
      `-max_total_time=${options.seconds}`,
      "-print_final_stats=1",
      ...flags,
      found,
      ...corpus,
      seeds,
    ]);
    if (options.grow === true && run.status === 0)
      replaceCorpus(program, target, work, [found, ...corpus, seeds], flags);
    return {
      status: run.status,
      executions: Number(run.stderr.match(/number_of_executed_units: (\d+)/)?.[1] ?? 0),
      edges: Number(run.stderr.match(/.*cov: (\d+)/s)?.[1] ?? 0),
      end: run.stderr.slice(-4000),
    };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function replaceCorpus(
  program: string,
  target: Target,
  work: string,
  from: readonly string[],
  flags: readonly string[],
) {
  const merged = join(work, "merged");
  mkdirSync(merged);
  const run = fuzzer(program, ["-merge=1", "-use_counters=0", ...flags, merged, ...from]);
  if (run.status !== 0 || readdirSync(merged).length === 0)
    throw new Error(`merge of ${target}: ${run.stderr.slice(-400)}`);
  rmSync(corpusOf(target), { recursive: true, force: true });
  mkdirSync(join(corpusOf(target), ".."), { recursive: true });
  renameSync(merged, corpusOf(target));
}

function fuzzer(program: string, args: readonly string[]) {
  return spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 28 });
}
