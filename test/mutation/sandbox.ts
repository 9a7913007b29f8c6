import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot } from "../../lib/is-root.ts";

const SCRIPT = join(import.meta.dirname, "sandbox.sh");
const NAMESPACES = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--propagation", "private"];
/** The id outside whose rights mutated code has, as in sandbox.sh. It owns nothing. */
const OUTSIDE_ID = "2000000000";

/** Returns the command that runs `command` in a sandbox with a private copy of `tree`. `root` is an empty directory. */
export function inSandbox(root: string, tree: string, command: readonly string[]): [string, string[]] {
  const unshare = ["unshare", ...NAMESPACES, "--fork", "--kill-child=SIGKILL", "--mount-proc"];
  return ["setpriv", ["--pdeathsig", "KILL", ...unshare, "/bin/sh", SCRIPT, root, tree, ...command]];
}

/** Explains why no sandbox can be made here, if so. */
export function whyNoSandbox(): string | undefined {
  if (!isRoot()) return "not root: the sandbox needs mounts and namespaces; run the tests as root";
  const missing = ["unshare", "setpriv", "prlimit"].find((name) => !existsSync(`/usr/bin/${name}`));
  if (missing !== undefined) return `no /usr/bin/${missing}: apt-get install util-linux`;
  const asOther = ["--reuid", OUTSIDE_ID, "--regid", OUTSIDE_ID, "--clear-groups"];
  const { status } = spawnSync("setpriv", [...asOther, "unshare", "--user", "--map-root-user", "true"]);
  return status === 0 ? undefined : "no user namespaces: allow them, e.g. by sysctl user.max_user_namespaces";
}

export interface SandboxResult {
  /** The exit code, or null if a signal ended the command. */
  readonly code: number | null;
  readonly stdout: string;
}

/**
 * Runs a command in a sandbox with a private copy of `tree`. Its standard error goes to that of this process. All of its processes
 * end with the command, with this process, or when the signal aborts.
 */
export async function runInSandbox(
  tree: string,
  command: readonly string[],
  signal?: AbortSignal,
): Promise<SandboxResult> {
  const root = mkdtempSync(join(tmpdir(), "sandbox-"));
  try {
    const child: ChildProcess = spawn(...inSandbox(root, tree, command), {
      env: { PATH: `/tree/node_modules/.bin:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: "/tmp", CI: "1" },
      stdio: ["ignore", "pipe", "inherit"],
      killSignal: "SIGKILL",
      ...(signal && { signal }),
    });
    const output: Buffer[] = [];
    child.stdout?.on("data", (data: Buffer) => output.push(data));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout: Buffer.concat(output).toString() };
  } finally {
    rmdirSync(root);
  }
}
