import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { BuildError } from "../build-error.ts";
import { cacheDirectory } from "../cache-directory.ts";
import { digestOf } from "../digest.ts";
import { exists } from "../exists.ts";
import { run } from "../run.ts";

const TARGET = "wasm32-unknown-unknown";

/**
 * Returns the path of agent/native/rego as WebAssembly in the cache. Builds it if its sources have changed, in half a
 * minute.
 */
export async function regoEngine(root: string): Promise<string> {
  const sources = join(root, "agent/native/rego");
  const files = ["Cargo.toml", "Cargo.lock", ...(await readdir(join(sources, "src"))).map((name) => `src/${name}`)];
  const contents = await Promise.all(files.sort().map((name) => readFile(join(sources, name), "utf8")));
  const target = cacheDirectory("rego", digestOf(...contents), "rego.wasm");
  if (await exists(target)) return target;
  const missing = await whyNoRego();
  if (missing !== undefined) throw new BuildError(`--with-policy: ${missing}`);
  await mkdir(dirname(target), { recursive: true });
  const work = cacheDirectory("rego", "target");
  // Keeps paths of the builder's home out of panic messages.
  const env = {
    ...process.env,
    CARGO_TARGET_DIR: work,
    RUSTFLAGS: `--remap-path-prefix=${process.env["HOME"] ?? "/"}=`,
  };
  await run(
    "cargo",
    ["build", "--release", "--locked", "--target", TARGET, "--manifest-path", join(sources, "Cargo.toml")],
    {
      env,
    },
  );
  await rename(join(work, TARGET, "release/guestd_rego.wasm"), target);
  return target;
}

/**
 * Returns why the engine can't be built here, or undefined if it can. Without the target, cargo would only report a
 * missing `core`.
 */
export async function whyNoRego(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("rustc", ["--print", "target-libdir", "--target", TARGET]);
    if (await exists(stdout.trim())) return undefined;
  } catch {
    return "no rustc: install Rust with rustup";
  }
  return `Rust for ${TARGET} is not installed: run rustup target add ${TARGET}`;
}
