import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../..");
const init = join(repository, "agent/native/init");
const output = join(repository, "build/test");

interface Sources {
  readonly files: readonly string[];
  readonly flags?: readonly string[];
}

const PLAYED = ["-include", join(import.meta.dirname, "played-kernel.h"), "-Wno-unused-parameter", "-Wno-unused-value"];
const RENAMED = ["syscall", "waitid", "kill"].map((call) => `-D${call}=fuzz_${call}`);

/**
 * Parts of init that read input from outside: the decoders, the socket with everything behind it, the child of a launch,
 * a file server, and the relay of the channel.
 */
const TARGETS = {
  decoders: [{ files: ["plan", "message"] }],
  link: [
    { files: ["launch", "fork", "adopt"], flags: RENAMED },
    { files: ["link", "table", "message", "plan", "util", "watch"] },
  ],
  child: [
    {
      files: [
        "child",
        "resolve",
        "ops-attributes",
        "ops-copy",
        "ops-files",
        "ops-mount",
        "ops-process",
        "caps",
        "util",
      ],
      flags: PLAYED,
    },
    { files: ["plan"] },
  ],
  files: [
    {
      files: [
        "request",
        "server",
        "calls-names",
        "calls-attributes",
        "calls-content",
        "calls-whole",
        "calls-empty",
      ].map((name) => `files/${name}`),
      flags: PLAYED,
    },
    { files: ["util"] },
  ],
  channel: [{ files: ["channel/frame", "channel/connection", "channel/session", "util"] }],
} as const satisfies Readonly<Record<string, readonly Sources[]>>;

export type Target = keyof typeof TARGETS;
export const targets = Object.keys(TARGETS) as Target[];

/** Returns the directory of a target's corpus, in which each input reaches a line or branch that no other does. */
export function corpusOf(target: Target): string {
  return join(import.meta.dirname, "corpus", target);
}

/** Returns the directory of the inputs that once showed a fault. */
export function findingsOf(target: Target): string {
  return join(import.meta.dirname, "findings", target);
}

/**
 * `clang` builds the fuzzer, and `gcc` a program that runs the inputs named on its standard input, both with ASan and
 * UBSan. `gcov` builds that program with line counters instead.
 */
export type Build = "clang" | "gcc" | "gcov";

const BUILD_FLAGS: Readonly<Record<Build, readonly string[]>> = {
  clang: ["-fsanitize=fuzzer-no-link,address,undefined", "-fno-sanitize-recover=all"],
  gcc: ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
  gcov: ["--coverage"],
};

/** Builds a target. Returns the program's path; its objects are beside it. */
export function buildTarget(target: Target, build: Build): string {
  const directory = join(output, `fuzz-${target}-${build}`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const compiler = build === "clang" ? "clang" : "gcc";
  const common = ["-g", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror", ...BUILD_FLAGS[build]];
  const compile = (source: string, object: string, flags: readonly string[]) => {
    execFileSync(compiler, [...common, ...flags, "-c", source, "-o", object], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    return object;
  };
  const parts: readonly Sources[] = TARGETS[target];
  const objects = parts.flatMap(({ files, flags = [] }) =>
    files.map((name) => compile(join(init, `${name}.c`), join(directory, `${name.replace("/", "-")}.o`), flags)),
  );
  objects.push(compile(join(import.meta.dirname, `fuzz-${target}.c`), join(directory, "target.o"), []));
  if (build !== "clang") objects.push(compile(join(import.meta.dirname, "replay.c"), join(directory, "replay.o"), []));
  const program = join(directory, "fuzz");
  const link = build === "clang" ? ["-fsanitize=fuzzer"] : [];
  execFileSync(compiler, [...common, ...link, ...objects, "-o", program]);
  return program;
}

/** Returns the paths of a target's inputs in the repository. */
export function inputsOf(target: Target): string[] {
  return [corpusOf(target), findingsOf(target)]
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path).map((name) => join(path, name)));
}

/** Returns how much of each of init's files the kept inputs cover, by gcov: "plan.c: 100.00% of 77 lines". */
export function coverageOf(target: Target): string[] {
  const program = buildTarget(target, "gcov");
  execFileSync(program, { input: inputsOf(target).join("\n"), stdio: ["pipe", "ignore", "ignore"] });
  const cwd = join(program, "..");
  const objects = readdirSync(cwd).filter((name) => name.endsWith(".gcda"));
  const text = execFileSync("gcov", ["--no-output", ...objects], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const files = text.matchAll(/^File '.*native\/init\/([\w/-]+\.c)'\nLines executed:(.*)$/gm);
  return [...files].map(([, file, lines = ""]) => `${file}: ${lines} lines`);
}
