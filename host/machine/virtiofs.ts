import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Child } from "./child.ts";
import { waitUntilListening } from "./listening-socket.ts";
import { MachineError } from "./machine-error.ts";
import { findVirtiofsd, type Virtiofsd } from "./programs.ts";

/** A directory of the host that the guest mounts by its tag, read and write. */
export interface Share {
  readonly tag: string;
  readonly directory: string;
}

/** What this user may do: an ordinary one may or may not make user namespaces. */
export type Rights = "root" | "user-namespace" | "none";

/** Starts virtiofsd for a share; it ends by itself when QEMU disconnects, and its owner ends it in any case. */
export async function startVirtiofsd(share: Share, socket: string, signal: AbortSignal): Promise<Child> {
  const { argv, wrapper } = virtiofsdCommand(await findVirtiofsd(), share.directory, socket, await rights());
  const child = new Child(`virtiofsd (${share.tag})`, argv, wrapper);
  try {
    await waitUntilListening(child, socket, signal);
    return child;
  } catch (error) {
    await child.end(true);
    throw error;
  }
}

/**
 * Root gets the chroot sandbox, which works in containers too. For an ordinary user virtiofsd runs in a user namespace:
 * what the guest's root makes belongs to that user on the host, and chown to anyone else fails. Where user namespaces
 * are forbidden, the one in Rust runs without a sandbox: it keeps the guest inside the directory by its own checks only.
 * QEMU's insists on a lock in /run/virtiofsd, and gets an empty /run of its own, so it cannot share what is below /run.
 */
export function virtiofsdCommand(
  { path, kind }: Virtiofsd,
  directory: string,
  socket: string,
  rights: Rights,
): { argv: readonly string[]; wrapper: readonly string[] } {
  if (kind === "rust") {
    const sandbox = { root: "chroot", "user-namespace": "namespace", none: "none" }[rights];
    const flags = [`--socket-path=${socket}`, `--shared-dir=${directory}`, "--cache=auto", `--sandbox=${sandbox}`];
    return { argv: [path, ...flags, "--log-level=error"], wrapper: [] };
  }
  // commas separate -o options, and a backslash escapes them
  const source = directory.replace(/[\\,]/g, "\\$&");
  const settings = [`source=${source}`, "cache=auto", "sandbox=chroot", "log_level=err"];
  const argv = [path, `--socket-path=${socket}`, ...settings.flatMap((setting) => ["-o", setting])];
  if (rights === "root") return { argv, wrapper: [] };
  if (rights === "none") {
    throw new MachineError(`virtiofsd ${path}: needs root where user namespaces are forbidden: run as root`);
  }
  if (/^(\/var)?\/run(\/|$)/.test(directory)) {
    throw new MachineError(`virtiofsd ${path}: cannot share ${directory} as an ordinary user: choose one outside /run`);
  }
  const ownRun = 'mount -t tmpfs tmpfs /run && exec "$@"';
  return { argv, wrapper: ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ownRun, "sh"] };
}

async function rights(): Promise<Rights> {
  if (process.getuid?.() === 0) return "root";
  const attempt = promisify(execFile)("unshare", ["--user", "--map-root-user", "--mount", "true"], { timeout: 5000 });
  return attempt.then(
    () => "user-namespace",
    () => "none",
  );
}
