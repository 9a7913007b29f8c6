import { Child } from "./child.ts";
import { waitUntilListening } from "./listening-socket.ts";
import { findVirtiofsd, type Virtiofsd } from "./programs.ts";

/** A directory of the host that the guest mounts by its tag, read and write. */
export interface Share {
  readonly tag: string;
  readonly directory: string;
}

/** Starts virtiofsd for a share; it ends by itself when QEMU disconnects, and its owner ends it in any case. */
export async function startVirtiofsd(share: Share, socket: string, signal: AbortSignal): Promise<Child> {
  const { argv, wrapper } = virtiofsdCommand(await findVirtiofsd(), share.directory, socket, process.getuid?.() === 0);
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
 * Root gets the chroot sandbox, which works in containers too. An ordinary user gets a user namespace, where all files
 * are root's in the guest and chown to anyone else fails. QEMU's virtiofsd insists on a lock in /run/virtiofsd: it gets
 * an empty /run of its own there, so it cannot share a directory below /run.
 */
export function virtiofsdCommand(
  { path, kind }: Virtiofsd,
  directory: string,
  socket: string,
  root: boolean,
): { argv: readonly string[]; wrapper: readonly string[] } {
  if (kind === "rust") {
    const sandbox = root ? "chroot" : "namespace";
    return {
      argv: [path, `--socket-path=${socket}`, `--shared-dir=${directory}`, "--cache=auto", `--sandbox=${sandbox}`],
      wrapper: [],
    };
  }
  // commas separate -o options, and a backslash escapes them
  const source = directory.replace(/[\\,]/g, "\\$&");
  const argv = [path, `--socket-path=${socket}`, "-o", `source=${source}`, "-o", "cache=auto", "-o", "sandbox=chroot"];
  if (root) return { argv, wrapper: [] };
  const ownRun = 'mount -t tmpfs tmpfs /run && exec "$@"';
  return { argv, wrapper: ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ownRun, "sh"] };
}
