import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

/** Reason why no screen can be opened; undefined if one can. */
export const whyNoScreen = existsSync("/usr/bin/tmux") ? undefined : "no /usr/bin/tmux: apt-get install tmux";

export interface ScreenOptions {
  /** Folder for the terminal's socket. */
  readonly directory: string;
  readonly rows?: number;
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A shell in a real terminal of tmux, whose screen can be read. */
export class TerminalScreen implements Disposable {
  readonly #socket: string;

  constructor({ directory, rows = 24, columns = 80, env = {} }: ScreenOptions) {
    this.#socket = join(directory, `tmux-${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
    const size = ["-x", String(columns), "-y", String(rows)];
    const settings = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    this.#tmux("new-session", "-d", ...size, ...settings, "sh");
    this.run("PS1='prompt> '; clear");
  }

  /** Lines on the screen, without the blanks at their ends; with `styles`, with the escape sequences of colours. */
  text(styles = false): string {
    return this.#tmux("capture-pane", "-p", ...(styles ? ["-e"] : []));
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux("send-keys", "-l", "--", text);
  }

  /** Presses keys by tmux's names, such as Down, Escape or C-c. */
  press(...keys: readonly string[]): void {
    this.#tmux("send-keys", "--", ...keys);
  }

  /** Runs a command line of the shell. */
  run(line: string): void {
    this.type(line);
    this.press("Enter");
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** Resolves once the screen matches. */
  async shows(wanted: RegExp): Promise<void> {
    await expect.poll(() => this.text()).toMatch(wanted);
  }

  /** Returns the pid of the program that the shell runs. */
  programPid(): number {
    const shell = this.#tmux("display-message", "-p", "#{pane_pid}").trim();
    return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, "utf8").trim().split(" ")[0]);
  }

  [Symbol.dispose](): void {
    spawnSync("tmux", ["-S", this.#socket, "kill-server"]);
  }

  #tmux(...words: readonly string[]): string {
    return execFileSync("tmux", ["-f", "/dev/null", "-S", this.#socket, ...words], { encoding: "utf8" });
  }
}
