import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const output = join(root, "build/native");

/** Warnings are errors, the output depends on nothing but the sources, and bounds that the compiler can see are checked. */
const WARNINGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"];
const HARDENING = ["-O2", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", `-ffile-prefix-map=${root}=.`];

/** build/native/sys.node, the N-API addon; returns its path. `undefined`: with UBSan, as sys-ubsan.node. */
export function buildSys(options: { readonly sanitize?: "undefined" } = {}): string {
  const sanitize =
    options.sanitize === undefined ? ["-s"] : ["-g", "-fsanitize=undefined", "-fno-sanitize-recover=all"];
  return buildAddon("sys", options.sanitize === undefined ? "sys.node" : "sys-ubsan.node", sanitize, []);
}

/**
 * build/native/sys-faults.node, for tests: the same sources, each of whose system calls goes through sys-faults/faults.c and
 * fails there when a test says so; returns its path.
 */
export function buildFaultySys(): string {
  const source = join(import.meta.dirname, "sys-faults/faults.c");
  const wrapped = [...readFileSync(source, "utf8").matchAll(/\b__wrap_(\w+)\(.*;|^FAULT\(.*?, .*?, (\w+),/gm)];
  const names = new Set(wrapped.map(([, own, made]) => own ?? made));
  const wrap = Array.from(names, (name) => `-Wl,--wrap=${name}`);
  // With -fno-builtin the compiler makes no other calls out of these.
  return buildAddon("sys", "sys-faults.node", ["-g", "-fno-builtin"], [source, ...wrap]);
}

/** build/native/seccomp.node, with libseccomp in it; returns its path. */
export function buildSeccomp(): string {
  return buildAddon("seccomp", "seccomp.node", ["-s"], ["-l:libseccomp.a", "-Wl,--exclude-libs,ALL"]);
}

function buildAddon(name: string, file: string, flags: readonly string[], libraries: readonly string[]): string {
  const sources = join(import.meta.dirname, name);
  const out = join(output, file);
  const headers = join(root, `node_modules/node-linux-${process.arch}/include/node`);
  const link = ["-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,relro,-z,now", "-Wl,--build-id=none"];
  const files = readdirSync(sources).filter((source) => source.endsWith(".c"));
  // Into place by a rename: a process that has the old one mapped keeps it.
  const fresh = `${out}.${process.pid}`;
  const all = [...WARNINGS, ...HARDENING, ...flags, ...link, `-I${headers}`, ...files.sort(), ...libraries];
  compile("gcc", [...all, "-o", fresh], sources);
  renameSync(fresh, out);
  return out;
}

/** build/native/init, static; returns its path. `sanitize`: with ASan and UBSan, dynamic, as init-asan. */
export function buildInit(options: { readonly sanitize?: boolean } = {}): string {
  const sources = join(import.meta.dirname, "init");
  const out = join(output, options.sanitize ? "init-asan" : "init");
  const sanitize = [
    "-g",
    "-O1",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
  ];
  const flags = options.sanitize ? sanitize : [...HARDENING, "-static", "-s", "-Wl,--build-id=none"];
  const files = readdirSync(sources).filter((name) => name.endsWith(".c"));
  const fresh = `${out}.${process.pid}`;
  compile(options.sanitize ? "gcc" : smallCompiler(), [...WARNINGS, ...flags, ...files.sort(), "-o", fresh], sources);
  renameSync(fresh, out);
  return out;
}

/** build/native/pause, static: what the pause container runs where the guest gets images itself; returns its path. */
export function buildPause(): string {
  const out = join(output, "pause");
  const fresh = `${out}.${process.pid}`;
  const flags = [...WARNINGS, ...HARDENING, "-static", "-s", "-Wl,--build-id=none"];
  compile(smallCompiler(), [...flags, "pause.c", "-o", fresh], join(import.meta.dirname, "pause"));
  renameSync(fresh, out);
  return out;
}

/** musl makes a smaller program, and a smaller program forks faster; glibc does where there is no musl. */
function smallCompiler(): string {
  return existsSync("/usr/bin/musl-gcc") ? "musl-gcc" : "gcc";
}

function compile(compiler: string, args: readonly string[], cwd: string): void {
  mkdirSync(output, { recursive: true });
  execFileSync(compiler, args, { cwd, stdio: "inherit" });
}

if (import.meta.main) {
  console.log(buildSys());
  console.log(buildSeccomp());
  console.log(buildInit());
  console.log(buildInit({ sanitize: true }));
  console.log(buildPause());
}
