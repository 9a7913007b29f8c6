import { type ChildProcess, spawn } from "node:child_process";
import { BuildError, hasCode, reason, saysFullDisk } from "./build-error.ts";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Gives stderr too, behind stdout. */
  readonly bothOutputs?: boolean;
  /** Milliseconds; then it is killed. */
  readonly timeout?: number;
  /** Bytes of stdout and stderr together; with more it is killed. */
  readonly maxOutput?: number;
  /** Sees each piece of stdout, which is not given then; the program is killed when this throws. */
  readonly watch?: (piece: Buffer) => void;
}

/** Debian packages of the tools that the builder runs, for the message when one is missing. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ["apt-get", "apt"],
  ["dpkg-deb", "dpkg"],
  ["mkfs.erofs", "erofs-utils"],
  ["mke2fs", "e2fsprogs"],
  ["debugfs", "e2fsprogs"],
  ["mksquashfs", "squashfs-tools"],
  ["veritysetup", "cryptsetup-bin"],
  ["getfattr", "attr"],
  ["setfattr", "attr"],
  ["strip", "binutils"],
  ["go", "golang-go"],
]);

/** Runs a program to its end and gives its stdout. Fails in one line, with the last of its stderr, or of stdout where there is none. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const { cwd, env, bothOutputs = false, timeout, maxOutput = Number.POSITIVE_INFINITY, watch } = options;
  const child = spawn(command, args, {
    cwd,
    env: withSystemPrograms(env),
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
    killSignal: "SIGKILL",
  });
  running.add(child);
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  let bytes = 0;
  let failure: unknown;
  const take = (into: Buffer[], piece: Buffer) => {
    try {
      bytes += piece.length;
      if (bytes > maxOutput) throw new BuildError(`${command}: it says more than ${maxOutput} bytes`);
      if (into === output && watch !== undefined) watch(piece);
      else into.push(piece);
    } catch (error) {
      failure ??= error;
      child.kill("SIGKILL");
    }
  };
  child.stdout.on("data", (data: Buffer) => take(output, data));
  child.stderr.on("data", (data: Buffer) => take(errors, data));
  const start = performance.now();
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on("error", (error) => reject(notStarted(command, error)));
    child.on("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  }).finally(() => running.delete(child));
  if (failure !== undefined) throw failure;
  if (code === "SIGKILL" && timeout !== undefined && performance.now() - start >= timeout)
    throw new BuildError(`${command}: not at its end after ${timeout / 1000} s`);
  if (code !== 0) {
    throw new BuildError(`${command} ${args.join(" ")}: ended with ${code}: ${telling(errors) || telling(output)}`);
  }
  return Buffer.concat(bothOutputs ? [...output, ...errors] : output);
}

const running = new Set<ChildProcess>();

/** Kills what runs here: nobody waits for it any more. */
export function killPrograms(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** The line that says that the disk is full, wherever it stands; else the last. */
function telling(output: readonly Buffer[]): string {
  const lines = Buffer.concat(output).toString().trim().split("\n");
  const line = (lines.find(saysFullDisk) ?? lines.at(-1) ?? "").trim();
  // It may be a name out of a stranger's image.
  return line.slice(0, 1000).replaceAll(/\p{Cc}/gu, "?");
}

/** Some of the tools are where an ordinary user does not look. */
function withSystemPrograms(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, PATH: `${env["PATH"] ?? ""}:/usr/sbin:/sbin` };
}

/** One line for a program that could not be started; names the Debian package when it is simply not there. */
export function notStarted(command: string, error: unknown): BuildError {
  if (!hasCode(error, "ENOENT")) return new BuildError(`${command}: can't be started: ${reason(error)}`);
  return new BuildError(`${command} is not on this machine: apt-get install ${PACKAGES.get(command) ?? command}`);
}
