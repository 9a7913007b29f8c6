import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const output = join(root, "build/native");

/** Warnings are errors, the output depends on nothing but the sources, and bounds that the compiler can see are checked. */
const WARNINGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"];
const HARDENING = ["-O2", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", `-ffile-prefix-map=${root}=.`];

/** build/native/sys.node, the N-API addon; returns its path. `undefined`: with UBSan, as sys-ubsan.node. */
export function buildSys(options: { readonly sanitize?: "undefined" } = {}): string {
  const sources = join(import.meta.dirname, "sys");
  const out = join(output, options.sanitize === undefined ? "sys.node" : "sys-ubsan.node");
  const headers = join(root, `node_modules/node-linux-${process.arch}/include/node`);
  const sanitize =
    options.sanitize === undefined ? ["-s"] : ["-g", "-fsanitize=undefined", "-fno-sanitize-recover=all"];
  const link = ["-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,relro,-z,now"];
  const files = readdirSync(sources).filter((name) => name.endsWith(".c"));
  // Into place by a rename: a process that has the old one mapped keeps it.
  const fresh = `${out}.${process.pid}`;
  gcc([...WARNINGS, ...HARDENING, ...sanitize, ...link, `-I${headers}`, ...files.sort(), "-o", fresh], sources);
  renameSync(fresh, out);
  return out;
}

function gcc(args: readonly string[], cwd: string): void {
  mkdirSync(output, { recursive: true });
  execFileSync("gcc", args, { cwd, stdio: "inherit" });
}

if (import.meta.main) {
  console.log(buildSys());
}
