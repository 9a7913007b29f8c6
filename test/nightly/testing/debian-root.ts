import { cp, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { inNamespaces, type Step, TIMED, timed } from "./timed-step.ts";

/** The ordinary user whom addUser adds: uid 1000, the first that Debian gives. */
export const USER = "ann";

/** Script that runs a command with a folder as its root. */
export const ENTER = join(import.meta.dirname, "enter-root.sh");
const MIRROR = "http://deb.debian.org";
/** apt's sources in a new Debian 12. */
const SOURCES = `deb ${MIRROR}/debian bookworm main
deb ${MIRROR}/debian bookworm-updates main
deb ${MIRROR}/debian-security bookworm-security main
`;
/**
 * Installs Debian 12's smallest system in the empty folder `root` with debootstrap. It gets two things of this machine,
 * by which it reaches the mirrors: the name server and the certificates that this machine's administrator trusts.
 */
export async function createDebianRoot(root: string): Promise<Step> {
  const words = ["--variant=minbase", "bookworm", root, `${MIRROR}/debian`];
  const step = await timed(inNamespaces(["bash", "-c", TIMED, "bash", "debootstrap", ...words]));
  if (step.status !== 0) throw new Error(`debootstrap: ${step.stdout.slice(-2000)}${step.stderr.slice(-2000)}`);
  await writeFile(join(root, "etc/apt/sources.list"), SOURCES);
  await cp("/etc/resolv.conf", join(root, "etc/resolv.conf"), { dereference: true, force: true });
  const trusted = "/usr/local/share/ca-certificates";
  await cp(trusted, join(root, trusted), { recursive: true, dereference: true });
  return step;
}

/** Runs a command of the system in `root`, as its root user, with nothing of this process's environment. */
export function runInRoot(root: string, ...command: readonly string[]): Promise<Step> {
  return timed(inNamespaces(["sh", ENTER, root, ...command]));
}

/**
 * Adds an ordinary user who may use sudo without a password, as cloud machines have one. The step is apt's: sudo is not
 * in Debian's smallest system.
 */
export async function addUser(root: string): Promise<Step> {
  const name = hostname();
  await writeFile(join(root, "etc/hosts"), `127.0.0.1 localhost\n::1 localhost\n127.0.1.1 ${name}\n`);
  await writeFile(join(root, "etc/hostname"), `${name}\n`);
  const words = "apt-get -q update && apt-get -q install --yes --no-install-recommends sudo && useradd -m -s /bin/bash";
  const step = await runInRoot(root, "sh", "-c", `${words} ${USER}`);
  if (step.status !== 0) throw new Error(`add a user: ${step.stdout.slice(-2000)}${step.stderr.slice(-2000)}`);
  await writeFile(join(root, "etc/sudoers.d/90-cloud"), `${USER} ALL=(ALL) NOPASSWD:ALL\n`, { mode: 0o440 });
  return step;
}
