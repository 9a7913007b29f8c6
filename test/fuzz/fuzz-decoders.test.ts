import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ARBITRARY_SLOTS, arbitraryPlan } from "../../agent/kernel/plan-arbitrary.ts";
import { encodePlan } from "../../agent/kernel/plan-encode.ts";
import { makeWorkDirectory, WORK } from "../clean-up/work-directory.ts";

const repository = join(import.meta.dirname, "../..");
/** Longer runs: `GUESTD_FUZZ_SECONDS=3600 npx vitest run test/fuzz`. */
const seconds = Number(process.env["GUESTD_FUZZ_SECONDS"] ?? 10);

function whyNoFuzzer(): string | undefined {
  if (!existsSync("/usr/bin/clang")) return "no clang: apt-get install clang libclang-rt-14-dev";
  const probe = spawnSync("clang", ["-fsanitize=fuzzer,address", "-x", "c", "-", "-o", "/dev/null"], {
    input: "int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d, (void)n; return 0; }",
    encoding: "utf8",
  });
  return probe.status === 0 ? undefined : "clang has no libFuzzer: apt-get install libclang-rt-14-dev";
}

/** Good plans and messages to begin with. */
function writeSeeds(directory: string): void {
  for (const [index, plan] of fc.sample(arbitraryPlan, { numRuns: 60, seed: 1 }).entries()) {
    writeFileSync(join(directory, `plan-${index}`), Buffer.concat([Buffer.of(ARBITRARY_SLOTS), encodePlan(plan)]));
  }
  for (let type = 1; type <= 6; type++) {
    for (const body of [0, 4, 20, 30]) {
      const message = Buffer.alloc(17 + body);
      message[0] = 0x80 + 2;
      message[1] = type;
      writeFileSync(join(directory, `message-${type}-${body}`), message);
    }
  }
}

const why = whyNoFuzzer();
describe.skipIf(why !== undefined)(why === undefined ? "fuzzing" : `fuzzing: skipped, ${why}`, () => {
  test(`init's decoders survive ${seconds} s of arbitrary input under ASan and UBSan`, {
    timeout: (seconds + 60) * 1000,
  }, () => {
    const corpus = makeWorkDirectory("corpus");
    const program = join(WORK, "fuzz-decoders");
    const init = join(repository, "agent/native/init");
    const sources = [join(import.meta.dirname, "fuzz-decoders.c"), join(init, "plan.c"), join(init, "message.c")];
    const flags = ["-g", "-O1", "-D_GNU_SOURCE", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"];
    try {
      execFileSync("clang", [...flags, ...sources, "-o", program]);
      writeSeeds(corpus);
      const options = [
        `-max_total_time=${seconds}`,
        "-max_len=8192",
        `-artifact_prefix=${WORK}/fuzz-`,
        "-print_final_stats=1",
      ];
      const run = spawnSync(program, [...options, corpus], { encoding: "utf8", maxBuffer: 1 << 26 });
      expect(run.status, `crashing input and trace: ${run.stderr.slice(-4000)}`).toBe(0);
      expect(Number(run.stderr.match(/number_of_executed_units: (\d+)/)?.[1])).toBeGreaterThan(1000);
    } finally {
      rmSync(corpus, { recursive: true, force: true });
    }
  });
});
