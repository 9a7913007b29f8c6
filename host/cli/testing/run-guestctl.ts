import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const launcher = join(import.meta.dirname, "../launch.cjs");

export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs guestctl as a process to its end, with records, images and logins below `directory`. */
export async function runGuestctl(
  directory: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const places = {
    XDG_RUNTIME_DIR: directory,
    XDG_CACHE_HOME: directory,
    XDG_DATA_HOME: directory,
    DOCKER_CONFIG: directory,
  };
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { ...process.env, ...places, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code };
}
