import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BuildError } from "../build-error.ts";
import { cacheDirectory } from "../cache-directory.ts";
import { type PackageGetter, packageTar } from "../debian/debian-package.ts";
import { exists } from "../exists.ts";
import { run } from "../run.ts";
import { mergeTars } from "../tree/merge.ts";

/** OCI runtimes that an image can have in addition to the agent's built-in one. */
export const RUNTIMES = ["crun", "runc", "runsc"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** The only place that pins gVisor: `latest` of gvisor.dev/gvisor in the Go proxy at that time. */
const RUNSC_MODULE = "gvisor.dev/gvisor/runsc@v0.0.0-20260905035102-160fafc42237";

/** Debian's runtimes: the program's path in its package, and the packages with the libraries it needs beyond Node's. */
const OF_DEBIAN = {
  crun: {
    program: "usr/bin/crun",
    libraries: [
      ...["libcap2", "libseccomp2", "libsystemd0", "libyajl2"],
      ...["libgcrypt20", "libgpg-error0", "liblz4-1", "liblzma5", "libzstd1"], // for libsystemd
    ],
  },
  runc: { program: "usr/sbin/runc", libraries: ["libseccomp2"] },
} as const;

export function runtimeName(text: string): RuntimeName {
  const name = RUNTIMES.find((known) => known === text);
  if (name === undefined) throw new BuildError(`--with-runtime ${text}: known are ${RUNTIMES.join(", ")}`);
  return name;
}

/** Returns the Debian packages of the runtimes and their libraries. */
export function runtimePackages(names: readonly RuntimeName[]): readonly string[] {
  const packages = names.flatMap((name) => (name === "runsc" ? [] : [name, ...OF_DEBIAN[name].libraries]));
  return [...new Set(packages)].sort();
}

/** Returns the programs by name. Builds runsc if it isn't in the cache. */
export async function runtimePrograms(
  names: readonly RuntimeName[],
  packageOf: PackageGetter,
): Promise<ReadonlyMap<RuntimeName, Buffer>> {
  const programs = new Map<RuntimeName, Buffer>();
  for (const name of names)
    programs.set(name, await (name === "runsc" ? readFile(await builtRunsc()) : unpacked(name, packageOf)));
  return programs;
}

async function unpacked(name: keyof typeof OF_DEBIAN, packageOf: PackageGetter): Promise<Buffer> {
  const { program } = OF_DEBIAN[name];
  const keep = (path: string) => (path === program ? path : undefined);
  const entry = (await mergeTars([packageTar(await packageOf(name), keep)])).get(program);
  if (entry?.type !== "file") throw new BuildError(`package ${name}: no file ${program}`);
  return entry.content;
}

/**
 * Returns the path of runsc in the cache. Go downloads the module from its proxy once, which takes about two minutes.
 */
async function builtRunsc(): Promise<string> {
  const target = cacheDirectory("runsc", RUNSC_MODULE.replace(/.*@/, ""), "runsc");
  if (await exists(target)) return target;
  const temporary = `${dirname(target)}.${process.pid}`;
  await mkdir(dirname(target), { recursive: true });
  try {
    const env = { ...process.env, CGO_ENABLED: "0", GOBIN: temporary };
    await run("go", ["install", "-trimpath", "-ldflags=-s -w", RUNSC_MODULE], { env });
    await rename(join(temporary, "runsc"), target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}
