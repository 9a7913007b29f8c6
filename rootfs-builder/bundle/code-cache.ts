import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { notStarted, run } from "../run.ts";
import { withTemporary } from "../with-temporary.ts";

/**
 * Flags that make the cache reproducible: a fixed seed for the string hashes written into it, no flushing of old code,
 * and no run counts. Reset before the cache is written (by then the seed is in the heap), because V8 refuses a cache
 * made with different flags.
 */
const PINNED_FLAGS = [
  "--hash-seed=1",
  "--random-seed=1",
  "--no-flush-bytecode",
  "--no-profile-guided-optimization",
  "--no-sparkplug",
];
const FLAGS_SET_BACK = "--hash-seed=0 --random-seed=0 --flush-bytecode --profile-guided-optimization --sparkplug\n";

const LIMIT_MS = 60_000;

export interface CodeCacheOptions {
  /** Path of the image's Node. */
  readonly node: string;
  /** Directory with agent.cjs and grpc.cjs; receives agent.cache and grpc.cache by rename. */
  readonly directory: string;
  /** Path of the addon, for the agent and for the socket to a stand-in for init. */
  readonly sysNode: string;
  /** Calls the agent that listens on this unix socket. The cache contains the code that these calls run. */
  readonly exercise: (socketPath: string, rootfs: string) => Promise<void>;
}

/**
 * Runs the bundle as an ordinary user without init, lets `exercise` use it, and saves V8's code. Returns the caches'
 * names.
 */
export async function makeCodeCache(options: CodeCacheOptions): Promise<readonly string[]> {
  const { directory, exercise } = options;
  return withTemporary(directory, async (caches) => {
    // Not in TMPDIR, because the depth of the path affects the cache. A short path also fits a unix socket's name.
    const work = await mkdtemp("/tmp/guestd-warm-up-");
    const warmUp = new WarmUp(options, caches, work, await plainTag(options.node));
    const timer = setTimeout(() => warmUp.destroy(), LIMIT_MS);
    try {
      await Promise.race([
        exercise(warmUp.socketPath, warmUp.rootfs),
        warmUp.ended.then((error) => Promise.reject(error)),
      ]);
      await warmUp.finish();
      const names = await readdir(caches);
      for (const name of names) await rename(join(caches, name), join(directory, name));
      return names.toSorted();
    } finally {
      clearTimeout(timer);
      warmUp.destroy();
      await warmUp.ended;
      await rm(work, { recursive: true, force: true });
    }
  });
}

/** Returns the tag that V8 compares with a cache's when it starts without flags. */
async function plainTag(node: string): Promise<string> {
  return (await run(node, ["-p", "require('node:v8').cachedDataVersionTag()"])).toString().trim();
}

function makeRootfs(rootfs: string): void {
  for (const name of ["bin", "dev", "etc", "proc", "sys"]) mkdirSync(join(rootfs, name), { recursive: true });
  writeFileSync(join(rootfs, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(rootfs, "etc/group"), "root:x:0:\n");
}

/** The agent's process during warm-up. */
class WarmUp {
  /** Resolves when the process has ended, with the error to report if it ended too early. */
  readonly ended: Promise<BuildError>;
  readonly socketPath: string;
  /** Directory for a container's root. */
  readonly rootfs: string;
  readonly #child: ChildProcess;
  #errors = "";

  constructor({ node, directory, sysNode }: CodeCacheOptions, caches: string, work: string, tag: string) {
    this.socketPath = join(work, "agent.sock");
    this.rootfs = join(work, "rootfs");
    makeRootfs(this.rootfs);
    const args = [...PINNED_FLAGS, join(import.meta.dirname, "warm-up.cjs"), sysNode, directory, caches, tag];
    // Keeps the builder's own environment out of the cache.
    const env = {
      PATH: "/usr/bin:/bin",
      LC_ALL: "C",
      KATA_AGENT_SERVER_ADDR: `unix://${this.socketPath}`,
      GUESTD_STATE_DIR: join(work, "state"),
    };
    this.#child = spawn(node, args, { env, cwd: "/", stdio: ["pipe", "ignore", "pipe"] });
    this.#child.stdin?.on("error", () => {});
    this.#child.stderr?.on("data", (data: Buffer) => {
      this.#errors = (this.#errors + data.toString()).slice(-4096);
    });
    this.ended = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve(notStarted(node, error)));
      this.#child.on("close", (code, signal) => {
        const line = this.#errors.split("\n").find((text) => /error/i.test(text)) ?? this.#errors.trim();
        resolve(new BuildError(`warm-up of ${directory}: the agent ended with ${code ?? signal}: ${line}`));
      });
    });
  }

  /** Makes the process write the caches and waits for its end. */
  async finish(): Promise<void> {
    this.#child.stdin?.write(FLAGS_SET_BACK);
    const error = await this.ended;
    if (this.#child.exitCode !== 0) throw error;
  }

  destroy(): void {
    this.#child.kill("SIGKILL");
  }
}
