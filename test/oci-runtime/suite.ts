import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { whyNoNamespaces } from "../init/testing/harness.ts";

const here = import.meta.dirname;
/**
 * Working directory of the programs, in which they look for the root file system and for the program that runs in it.
 */
export const SUITE = join(here, "../../build/oci-runtime");
const MODULE = "github.com/opencontainers/runtime-tools";
/** Program that runs in the containers. All others in SUITE are validation programs. */
const INSIDE = "runtimetest";

/** Returns why the validation programs can't be built or run on this machine; undefined if they can. */
export function whyNoSuite(): string | undefined {
  const why = whyNoNamespaces();
  if (why !== undefined) return why;
  if (isBuilt()) return undefined;
  try {
    go(["version"]);
  } catch {
    return "no go: apt-get install golang-go (1.18 or newer builds the validation programs)";
  }
  try {
    go(["mod", "download", MODULE]);
  } catch (error) {
    return `go cannot get ${MODULE}: ${String((error as { stderr?: unknown }).stderr)
      .trim()
      .split("\n")
      .at(-1)}`;
  }
  return undefined;
}

/** Builds the programs once for each go.mod, which takes some 30 s of one core. Returns their names in order. */
export function buildSuite(): string[] {
  if (!isBuilt()) {
    rmSync(SUITE, { recursive: true, force: true });
    mkdirSync(`${SUITE}.new`, { recursive: true });
    go([
      "build",
      "-trimpath",
      "-ldflags=-s -w",
      "-o",
      `${SUITE}.new/`,
      `${MODULE}/validation/...`,
      `${MODULE}/cmd/${INSIDE}`,
    ]);
    const source = go(["list", "-m", "-f", "{{.Dir}}", MODULE]).trim();
    for (const name of readdirSync(source)) {
      if (/^rootfs-.*\.tar\.gz$/.test(name)) copyFileSync(join(source, name), join(`${SUITE}.new`, name));
    }
    writeFileSync(`${SUITE}.new/go.sum`, pins());
    renameSync(`${SUITE}.new`, SUITE);
  }
  return readdirSync(SUITE)
    .filter((name) => !name.includes(".") && name !== INSIDE)
    .sort();
}

function isBuilt(): boolean {
  return existsSync(join(SUITE, "go.sum")) && readFileSync(join(SUITE, "go.sum"), "utf8") === pins();
}

/** Returns the checksums of all sources, including the programs'. */
function pins(): string {
  return readFileSync(join(here, "go.sum"), "utf8");
}

function go(args: readonly string[]): string {
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly", GOTOOLCHAIN: "local", GOWORK: "off" };
  return execFileSync("go", args, { cwd: here, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
