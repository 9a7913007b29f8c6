import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dirname, "../..");
const output = join(root, "build/native");

/** Flags of all builds: warnings are errors, visible bounds are checked, and the output depends only on the sources. */
const WARNINGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror"];
const HARDENING = ["-O2", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", `-ffile-prefix-map=${root}=.`];
/** Flags of a program that aborts at whatever ASan or UBSan finds. */
const SANITIZED = ["-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Builds build/native/sys.node, the N-API addon, or with UBSan sys-ubsan.node. Returns its path. */
export function buildSys(options: { readonly sanitize?: "undefined" } = {}): string {
  const sanitize =
    options.sanitize === undefined ? ["-s"] : ["-g", "-fsanitize=undefined", "-fno-sanitize-recover=all"];
  return buildAddon("sys", options.sanitize === undefined ? "sys.node" : "sys-ubsan.node", sanitize, []);
}

/**
 * Builds build/native/sys-faults.node, for tests: the same sources, but every system call goes through
 * sys-faults/faults.c, where a test can make it fail. Returns its path.
 */
export function buildFaultySys(): string {
  const source = join(import.meta.dirname, "sys-faults/faults.c");
  const wrapped = [...readFileSync(source, "utf8").matchAll(/\b__wrap_(\w+)\(.*;|^FAULT\(.*?, .*?, (\w+),/gm)];
  const names = new Set(wrapped.map(([, own, made]) => own ?? made));
  const wrap = Array.from(names, (name) => `-Wl,--wrap=${name}`);
  // -fno-builtin keeps the compiler from replacing these calls with others.
  return buildAddon("sys", "sys-faults.node", ["-g", "-fno-builtin"], [source, ...wrap]);
}

/** Builds build/native/seccomp.node, which contains libseccomp. Returns its path. */
export function buildSeccomp(): string {
  return buildAddon("seccomp", "seccomp.node", ["-s"], ["-l:libseccomp.a", "-Wl,--exclude-libs,ALL"]);
}

function buildAddon(name: string, file: string, flags: readonly string[], libraries: readonly string[]): string {
  const sources = join(import.meta.dirname, name);
  const out = join(output, file);
  const headers = join(root, `node_modules/node-linux-${process.arch}/include/node`);
  const link = ["-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,relro,-z,now", "-Wl,--build-id=none"];
  const files = readdirSync(sources).filter((source) => source.endsWith(".c"));
  // Renamed into place, so that a process that has mapped the old file keeps it.
  const fresh = `${out}.${process.pid}`;
  const all = [...WARNINGS, ...HARDENING, ...flags, ...link, `-I${headers}`, ...files.sort(), ...libraries];
  compile("gcc", [...all, "-o", fresh], sources);
  renameSync(fresh, out);
  return out;
}

/**
 * Builds build/native/init, a static program at a random address; with `sanitize` build/native/init-asan, which is
 * dynamic, has ASan and UBSan, and aborts on failed assertions. Returns its path.
 */
export function buildInit(options: { readonly sanitize?: boolean } = {}): string {
  const sources = join(import.meta.dirname, "init");
  const out = join(output, options.sanitize ? "init-asan" : "init");
  const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".c"));
  const fresh = `${out}.${process.pid}`;
  const { compiler, flags } = options.sanitize ? { compiler: "gcc", flags: SANITIZED } : staticPie();
  compile(compiler, [...WARNINGS, ...flags, ...files.sort(), "-o", fresh], sources);
  renameSync(fresh, out);
  return out;
}

/** Builds build/native/pause, the program of the pause container in guests that pull images. Returns its path. */
export function buildPause(): string {
  return buildProgram("pause", staticPie());
}

/**
 * Builds build/native/keep-core, which the kernel of a guest runs for core dumps; with `sanitize` keep-core-asan, like
 * init-asan. Returns its path.
 */
export function buildKeepCore(options: { readonly sanitize?: boolean } = {}): string {
  if (options.sanitize) return buildProgram("keep-core", { compiler: "gcc", flags: SANITIZED }, "keep-core-asan");
  return buildProgram("keep-core", staticPie());
}

/**
 * Builds build/native/container-init, PID 1 of containers that ask for an init; with `sanitize` container-init-asan, like
 * init-asan. Returns its path.
 */
export function buildContainerInit(options: { readonly sanitize?: boolean } = {}): string {
  const name = "container-init";
  if (options.sanitize) return buildProgram(name, { compiler: "gcc", flags: SANITIZED }, `${name}-asan`);
  return buildProgram(name, staticPie());
}

/**
 * Builds build/native/monitor, which runs the programs of a guest on the host; with `sanitize` monitor-asan, like init-asan.
 * Returns its path.
 */
export function buildMonitor(options: { readonly sanitize?: boolean } = {}): string {
  if (options.sanitize) return buildProgram("monitor", { compiler: "gcc", flags: SANITIZED }, "monitor-asan");
  return buildProgram("monitor", staticPie());
}

/** Builds a program of one file that is in the folder of its name. */
function buildProgram(name: string, { compiler, flags }: ReturnType<typeof staticPie>, as = name): string {
  const out = join(output, as);
  const fresh = `${out}.${process.pid}`;
  compile(compiler, [...WARNINGS, ...flags, `${name}.c`, "-o", fresh], join(import.meta.dirname, name));
  renameSync(fresh, out);
  return out;
}

/**
 * Returns compiler and flags for a static program without assertions that the kernel loads at a random address.
 * Prefers musl to glibc: its programs are smaller, and a smaller program forks faster. musl-gcc can't link a static
 * PIE by itself.
 */
function staticPie(): { readonly compiler: string; readonly flags: readonly string[] } {
  const flags = [...HARDENING, "-DNDEBUG", "-s", "-Wl,--build-id=none"];
  if (!existsSync("/usr/bin/musl-gcc")) return { compiler: "gcc", flags: [...flags, "-fPIE", "-static-pie"] };
  const musl = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-musl`;
  const start = ["-nostartfiles", ...["rcrt1.o", "crti.o", "crtn.o"].map((name) => join(musl, name))];
  const link = "-Wl,-pie,--no-dynamic-linker,-z,relro,-z,now";
  return { compiler: "musl-gcc", flags: [...flags, "-fPIE", "-static", link, ...start] };
}

function compile(compiler: string, args: readonly string[], cwd: string): void {
  mkdirSync(output, { recursive: true });
  execFileSync(compiler, args, { cwd, stdio: "inherit" });
}

/** Builds what a guest and its host need; with `--sanitized`, also the programs with sanitizers that tests run. */
if (import.meta.main) {
  const { values } = parseArgs({ options: { sanitized: { type: "boolean", default: false } } });
  const shipped = [buildSys, buildSeccomp, buildInit, buildPause, buildContainerInit, buildKeepCore, buildMonitor];
  for (const build of shipped) console.log(relative(root, build()));
  if (values.sanitized)
    for (const build of [buildInit, buildKeepCore]) console.log(relative(root, build({ sanitize: true })));
}
