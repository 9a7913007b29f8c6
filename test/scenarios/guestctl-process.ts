import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Program that Node runs as guestctl. */
export const launcher = join(import.meta.dirname, "../../host/cli/launch.cjs");

/** A guestctl command that runs. */
export interface GuestctlProcess {
  readonly child: ChildProcess;
  /** Output so far. */
  readonly output: { stdout: Buffer; stderr: string };
  /** Resolves with its exit code, or undefined if a signal killed it, after all its output. */
  readonly ended: Promise<number | undefined>;
  type(text: string | Uint8Array): void;
  /** Returns the path of its pseudo-terminal. */
  terminal(): string;
  /** Resolves once its stdout contains the text, or matches. */
  prints(wanted: string | RegExp): Promise<void>;
}

/** Starts `guestctl COMMAND`; with `tty`, in a pseudo-terminal by script(1), whose output is stdout. */
export function startGuestctl(
  args: readonly string[],
  { tty = false, env = {} }: { readonly tty?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
): GuestctlProcess {
  return startProgram([process.execPath, launcher, ...args], { tty, env });
}

/** Starts any program in the same way. */
export function startProgram(
  line: readonly string[],
  { tty = false, env = {} }: { readonly tty?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
): GuestctlProcess {
  const quoted = line.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const [program = "", ...rest] = tty
    ? ["script", "-qefc", `stty rows 30 cols 100; exec ${quoted}`, "/dev/null"]
    : line;
  const child = spawn(program, rest, {
    stdio: "pipe",
    env: { ...process.env, NO_COLOR: "1", SHELL: "/bin/sh", ...env },
  });
  const output = { stdout: Buffer.alloc(0), stderr: "" };
  let wake = Promise.withResolvers<void>();
  const woken = () => {
    wake.resolve();
    wake = Promise.withResolvers();
  };
  child.stdout.on("data", (chunk: Buffer) => {
    output.stdout = Buffer.concat([output.stdout, chunk]);
    woken();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output.stderr += chunk;
    woken();
  });
  child.stdin.on("error", () => undefined);
  const ended = once(child, "close").then(([code]) => (code ?? undefined) as number | undefined);
  void ended.then(woken);
  return {
    ...{ child, output, ended },
    type: (text) => void child.stdin.write(text),
    terminal() {
      const [guestctl] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ");
      return readlinkSync(`/proc/${guestctl}/fd/0`);
    },
    async prints(wanted) {
      const isThere = () => {
        const text = output.stdout.toString("latin1");
        return typeof wanted === "string" ? text.includes(wanted) : wanted.test(text);
      };
      while (!isThere()) {
        if (child.exitCode !== null) {
          throw new Error(`ended with ${child.exitCode} before ${wanted}: ${output.stdout}${output.stderr}`);
        }
        await wake.promise;
      }
    },
  };
}
