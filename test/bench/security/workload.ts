import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { launcher } from "../../scenarios/guestctl-process.ts";
import type { Counts } from "../syscalls/count-calls.ts";
import { addCounts, parseSummary, SUMMARY } from "./call-summary.ts";

const COMMAND_LIMIT_MS = 120_000;
const MIB = 2 ** 20;

/** Writes and reads 4 MiB in the shared root, then sends them over the guest's loopback. */
const FILES_AND_LOOPBACK = `
set -e
dd if=/dev/urandom of=/data bs=64k count=64 2>/dev/null && sync && md5sum /data >/sum && ls -lR /etc >/dev/null
nc -l -p 5000 -e sh -c 'cat >/copy' &
for n in 1 2 3 4 5; do sleep 1; nc 127.0.0.1 5000 </data && break; done
wait; cmp /data /copy; mkdir /many && for n in $(seq 100); do echo $n >/many/$n; done
rm -r /data /copy /sum /many`;

/** Runs guestctl. Returns its stdout; rejects with what it printed if it fails. */
export async function guestctl(environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<string> {
  return run(environment, process.execPath, launcher, ...args);
}

async function run(env: NodeJS.ProcessEnv, program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { env, timeout: COMMAND_LIMIT_MS });
  return stdout;
}

/** Runs the mixed workload in a guest's container. Returns the system calls of all its guestctl commands together. */
export async function runWorkload(
  environment: NodeJS.ProcessEnv,
  container: string,
  image: string,
  directory: string,
): Promise<Counts> {
  const summary = join(directory, "strace-commands");
  const seen: Counts[] = [];
  const traced = async (...args: readonly string[]) => {
    await run(environment, "strace", "-f", ...SUMMARY, "-o", summary, process.execPath, launcher, ...args);
    seen.push(parseSummary(readFileSync(summary, "utf8")));
  };
  const folder = join(directory, "folder");
  mkdirSync(folder);
  writeFileSync(join(folder, "large"), Buffer.alloc(4 * MIB, "x"));
  for (let n = 0; n < 50; n++) writeFileSync(join(folder, `file-${n}`), String(n));

  await traced("exec", container, "echo", "hello");
  await traced("exec", container, "sh", "-c", FILES_AND_LOOPBACK);
  await traced("cp", folder, `${container}:/folder`);
  await traced("cp", `${container}:/folder`, join(directory, "copied"));
  await traced("stats", container);
  await traced("run", "--guest", container, "--name", "second", "--detach", image, "echo", "hello");
  await traced("wait", "second");
  await traced("logs", "second");
  await traced("rm", "second");
  return addCounts(seen);
}
