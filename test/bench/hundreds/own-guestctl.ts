import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { repositoryRoot } from "../../../host/vm/paths.ts";
import { onProcessEnd } from "../../../lib/process-end.ts";

const GUESTCTL = join(repositoryRoot, "guestctl");
/** Milliseconds for killed processes to end, and for a command that records that. */
const [ENDING_MS, POLL_MS, RECORD_MS] = [20_000, 50, 30_000];

/** A process of guestctl or of its guests. */
export interface OwnProcess {
  readonly pid: number;
  /** Name of its program's file. */
  readonly program: string;
  readonly isSupervisor: boolean;
}

export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/**
 * guestctl as a user runs it, with guests, records, caches and temporary files below a folder of its own. Its processes and the
 * folder end with it, also if this process is interrupted.
 */
export class OwnGuestctl implements Disposable {
  readonly directory = mkdtempSync("/var/tmp/gh-");
  readonly #env = {
    ...process.env,
    ...{ XDG_RUNTIME_DIR: this.directory, XDG_CACHE_HOME: this.directory, XDG_DATA_HOME: this.directory },
    ...{ TMPDIR: this.directory, NO_COLOR: "1" },
  };
  readonly #cancel = onProcessEnd(() => this.#end());

  start(...args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(GUESTCTL, args, { env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
  }

  async run(...args: readonly string[]): Promise<Ended> {
    const child = this.start(...args);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { stdout, stderr, code };
  }

  /** Returns a command's output. Rejects if it fails. */
  async output(...args: readonly string[]): Promise<string> {
    const { stdout, stderr, code } = await this.run(...args);
    if (code !== 0) throw new Error(`guestctl ${args.join(" ")}: exit code ${code}: ${stderr.trim()}`);
    return stdout;
  }

  /** Lists the processes that have this folder for temporary files. */
  processes(): readonly OwnProcess[] {
    return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (this.#processOf(name) ?? []) : []));
  }

  /** Lists the folders and records that guests have left. */
  leftFiles(): readonly string[] {
    const records = `guestd-${process.geteuid?.() ?? 0}`;
    const folders = readdirSync(this.directory).filter((name) => name.startsWith("guestd-") && name !== records);
    return [...folders, ...readdirSync(join(this.directory, records)).filter((name) => !name.startsWith("."))];
  }

  #processOf(name: string): OwnProcess | undefined {
    try {
      if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(`TMPDIR=${this.directory}\0`)) return undefined;
      const isSupervisor = readFileSync(`/proc/${name}/cmdline`, "latin1").split("\0").includes("__supervise");
      return { pid: Number(name), program: basename(readlinkSync(`/proc/${name}/exe`)), isSupervisor };
    } catch {
      return undefined; // it has ended
    }
  }

  [Symbol.dispose](): void {
    this.#cancel();
    this.#end();
  }

  #end(): void {
    this.#kill();
    // Removes the cgroups, and starts a supervisor if it finds something to do.
    spawnSync(GUESTCTL, ["ps"], { env: this.#env, stdio: "ignore", timeout: RECORD_MS });
    this.#kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Kills all processes, and those that they start meanwhile. */
  #kill(): void {
    const wait = new Int32Array(new SharedArrayBuffer(4));
    for (const end = performance.now() + ENDING_MS; performance.now() < end; Atomics.wait(wait, 0, 0, POLL_MS)) {
      const left = this.processes();
      if (left.length === 0) return;
      for (const { pid } of left) kill(pid);
    }
  }
}

/** Kills a process that may have ended. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
