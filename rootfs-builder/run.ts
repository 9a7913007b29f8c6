import { type ChildProcess, spawn } from "node:child_process";
import { isNotInPath } from "../lib/not-in-path.ts";
import { reason } from "../lib/reason.ts";
import { BuildError, saysFullDisk } from "./build-error.ts";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Appends stderr to the result. */
  readonly bothOutputs?: boolean;
}

/** Debian packages of the tools that the builder runs, for the message when one is missing. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ["apt-get", "apt"],
  ["dpkg-deb", "dpkg"],
  ["mkfs.erofs", "erofs-utils"],
  ["fsck.erofs", "erofs-utils"],
  ["mke2fs", "e2fsprogs"],
  ["e2fsck", "e2fsprogs"],
  ["debugfs", "e2fsprogs"],
  ["mksquashfs", "squashfs-tools"],
  ["unsquashfs", "squashfs-tools"],
  ["veritysetup", "cryptsetup-bin"],
  ["getfattr", "attr"],
  ["setfattr", "attr"],
  ["strip", "binutils"],
  ["go", "golang-go"],
]);

/** Runs a program and returns its stdout. Fails with one line: the last of its stderr, or of its stdout if stderr is empty. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const { cwd, env, bothOutputs = false } = options;
  const child = spawn(command, args, { cwd, env: withSystemPrograms(env), stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const [output, errors]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (data: Buffer) => output.push(data));
  child.stderr.on("data", (data: Buffer) => errors.push(data));
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on("error", (error) => reject(notStarted(command, error)));
    child.on("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  }).finally(() => running.delete(child));
  if (code !== 0)
    throw new BuildError(`${command} ${args.join(" ")}: ended with ${code}: ${telling(errors) || telling(output)}`);
  return Buffer.concat(bothOutputs ? [...output, ...errors] : output);
}

const running = new Set<ChildProcess>();

/** Kills all running programs when the process ends. */
export function killPrograms(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Returns the line that reports a full disk, or else the last line. */
function telling(output: readonly Buffer[]): string {
  const lines = Buffer.concat(output).toString().trim().split("\n");
  const line = (lines.find(saysFullDisk) ?? lines.at(-1) ?? "").trim();
  // The line can contain a name from an image.
  return line.slice(0, 1000).replaceAll(/\p{Cc}/gu, "?");
}

/** Adds the folders of system programs, which an ordinary user's PATH lacks. */
function withSystemPrograms(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, PATH: `${env["PATH"] ?? ""}:/usr/sbin:/sbin` };
}

/** Returns the error for a program that could not be started, with the Debian package if it isn't installed. */
export function notStarted(command: string, error: unknown): BuildError {
  if (!isNotInPath(command, error)) return new BuildError(`${command}: can't start: ${reason(error)}`);
  return new BuildError(`${command} is not installed: run apt-get install ${PACKAGES.get(command) ?? command}`);
}
