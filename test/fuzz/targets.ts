import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../..");
const init = join(repository, "agent/native/init");
const output = join(repository, "build/test");

interface Sources {
  readonly files: readonly string[];
  readonly flags?: readonly string[];
}

const PLAYED = ["-include", join(import.meta.dirname, "played-kernel.h"), "-Wno-unused-parameter", "-Wno-unused-value"];
const RENAMED = ["syscall", "waitid", "waitpid"].map((call) => `-D${call}=fuzz_${call}`);

/** What init reads of the agent: the two decoders, the socket with all behind it, and what a child does with a plan. */
const TARGETS = {
  decoders: [{ files: ["plan", "message"] }],
  link: [{ files: ["launch", "adopt"], flags: RENAMED }, { files: ["link", "table", "message", "plan", "util"] }],
  child: [
    {
      files: ["child", "resolve", "ops-attributes", "ops-copy", "ops-files", "ops-mount", "ops-process", "util"],
      flags: PLAYED,
    },
    { files: ["plan"] },
  ],
} as const satisfies Readonly<Record<string, readonly Sources[]>>;

export type Target = keyof typeof TARGETS;
export const targets = Object.keys(TARGETS) as Target[];

/** Kept in the repository: each input reaches a line or a branch that no other does. */
export function corpusOf(target: Target): string {
  return join(import.meta.dirname, "corpus", target);
}

/** Inputs that showed a fault once. */
export function findingsOf(target: Target): string {
  return join(import.meta.dirname, "findings", target);
}

/**
 * Under ASan and UBSan: with clang the fuzzer, with gcc a program that reads names of inputs. `coverage`: by clang, counts
 * as well which lines ran. Returns its path.
 */
export function buildTarget(target: Target, compiler: "clang" | "gcc", coverage = false): string {
  const directory = join(output, `fuzz-${target}-${compiler}${coverage ? "-coverage" : ""}`);
  mkdirSync(directory, { recursive: true });
  const sanitize = `-fsanitize=${compiler === "clang" && !coverage ? "fuzzer-no-link," : ""}address,undefined`;
  const common = ["-g", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", sanitize, "-fno-sanitize-recover=all"];
  if (coverage) common.push("-fprofile-instr-generate", "-fcoverage-mapping");
  const compile = (source: string, object: string, flags: readonly string[]) => {
    execFileSync(compiler, [...common, ...flags, "-c", source, "-o", object], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    return object;
  };
  const parts: readonly Sources[] = TARGETS[target];
  const objects = parts.flatMap(({ files, flags = [] }) =>
    files.map((name) => compile(join(init, `${name}.c`), join(directory, `${name}.o`), flags)),
  );
  objects.push(compile(join(import.meta.dirname, `fuzz-${target}.c`), join(directory, "target.o"), []));
  const fuzzes = compiler === "clang" && !coverage;
  if (!fuzzes) objects.push(compile(join(import.meta.dirname, "replay.c"), join(directory, "replay.o"), []));
  const program = join(directory, "fuzz");
  execFileSync(compiler, [...common, ...(fuzzes ? ["-fsanitize=fuzzer"] : []), ...objects, "-o", program]);
  return program;
}
