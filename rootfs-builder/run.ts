import { type ChildProcess, spawn } from "node:child_process";
import { BuildError, hasCode, reason, saysFullDisk } from "./build-error.ts";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Gives stderr too, behind stdout. */
  readonly bothOutputs?: boolean;
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
  ["setfattr", "attr"],
  ["strip", "binutils"],
  ["go", "golang-go"],
]);

/** Runs a program to its end and gives its stdout. Fails in one line, with the last of its stderr, or of stdout where there is none. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const child = spawn(command, args, {
    ...options,
    env: withSystemPrograms(options.env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on("data", (data: Buffer) => output.push(data));
  child.stderr.on("data", (data: Buffer) => errors.push(data));
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on("error", (error) => reject(notStarted(command, error)));
    child.on("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  }).finally(() => running.delete(child));
  if (code !== 0) {
    throw new BuildError(`${command} ${args.join(" ")}: ended with ${code}: ${telling(errors) || telling(output)}`);
  }
  return Buffer.concat(options.bothOutputs === true ? [...output, ...errors] : output);
}

const running = new Set<ChildProcess>();

/** Kills what runs here: nobody waits for it any more. */
export function killPrograms(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** The line that says that the disk is full, wherever it stands; else the last. */
function telling(output: readonly Buffer[]): string {
  const lines = Buffer.concat(output).toString().trim().split("\n");
  return (lines.find(saysFullDisk) ?? lines.at(-1) ?? "").trim();
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
