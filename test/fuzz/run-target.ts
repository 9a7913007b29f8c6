import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { writeSeeds } from "./seeds.ts";
import { buildTarget, corpusOf, findingsOf, type Target } from "./targets.ts";

/** Longest input. Larger ones are slower and reach nothing more; a plan may have a path of 4095 bytes. */
const MAX_LENGTH = 8192;

/** Why there is no fuzzer here; undefined where there is one. */
export function whyNoFuzzer(): string | undefined {
  if (!existsSync("/usr/bin/clang")) return "no clang: sh host/setup/setup.sh test --dev";
  const probe = spawnSync("clang", ["-fsanitize=fuzzer,address", "-x", "c", "-", "-o", "/dev/null"], {
    input: "int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d, (void)n; return 0; }",
    encoding: "utf8",
  });
  return probe.status === 0 ? undefined : "clang has no libFuzzer: sh host/setup/setup.sh test --dev";
}

export interface FuzzRun {
  /** 0: nothing was found. */
  readonly status: number | null;
  readonly executions: number;
  /** Edges that were reached. */
  readonly edges: number;
  /** The fuzzer's last output. */
  readonly end: string;
}

/** `grow`: what was reached for the first time goes into the corpus, which is made as small as can be. */
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
