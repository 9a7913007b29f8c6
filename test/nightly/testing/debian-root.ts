import { execFile } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const MIRROR = "http://deb.debian.org";
/** apt's sources in a new Debian 12. */
const SOURCES = `deb ${MIRROR}/debian bookworm main
deb ${MIRROR}/debian bookworm-updates main
deb ${MIRROR}/debian-security bookworm-security main
`;
const ENTER = join(import.meta.dirname, "enter-root.sh");
/** A step that takes longer is killed, with all its processes. */
const LIMIT_MS = 1_500_000;

/** A command that ended: its outputs and times, in seconds. `processor` is user and system time. */
export interface Step {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsed: number;
  readonly processor: number;
}

/**
 * Installs Debian 12's smallest system in the empty folder `root` with debootstrap. It gets two things of this machine,
 * by which it reaches the mirrors: the name server and the certificates that this machine's administrator trusts.
 */
export async function createDebianRoot(root: string): Promise<Step> {
  const words = ["--variant=minbase", "bookworm", root, `${MIRROR}/debian`];
  const step = await timed(["bash", "-c", 'TIMEFORMAT="%R %U %S"; time debootstrap "$@"', "bash", ...words]);
  if (step.status !== 0) throw new Error(`debootstrap: ${step.stdout.slice(-2000)}${step.stderr.slice(-2000)}`);
  await writeFile(join(root, "etc/apt/sources.list"), SOURCES);
  await cp("/etc/resolv.conf", join(root, "etc/resolv.conf"), { dereference: true, force: true });
  const trusted = "/usr/local/share/ca-certificates";
  await cp(trusted, join(root, trusted), { recursive: true, dereference: true });
  return step;
}

/** Runs a command of the system in `root`, as its root user, with nothing of this process's environment. */
export function runInRoot(root: string, ...command: readonly string[]): Promise<Step> {
  return timed(["sh", ENTER, root, ...command]);
}

/** Runs a command that prints its times last, in namespaces that end with it or with this process. */
async function timed(command: readonly string[]): Promise<Step> {
  const namespaces = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"];
  const words = ["--pdeathsig=KILL", "--", ...namespaces, "--", ...command];
  const env = { HOME: "/root", PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" };
  const options = { env, timeout: LIMIT_MS, killSignal: "SIGKILL", maxBuffer: 1 << 26 } as const;
  const done = await promisify(execFile)("setpriv", words, options).then(
    (outputs) => ({ ...outputs, code: 0 }),
    (error: { readonly code?: unknown; readonly stdout: string; readonly stderr: string }) => error,
  );
  const [, stderr = done.stderr, elapsed, user, system] =
    /^([\s\S]*?)([\d.]+) ([\d.]+) ([\d.]+)\n$/.exec(done.stderr) ?? [];
  return {
    status: typeof done.code === "number" ? done.code : -1,
    stdout: done.stdout,
    stderr,
    elapsed: Number(elapsed),
    processor: Number(user) + Number(system),
  };
}
