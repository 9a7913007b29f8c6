import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { ENTER, USER } from "./debian-root.ts";
import { ENVIRONMENT, inNamespaces, type Step, TIMED, timed } from "./timed-step.ts";

/** A system in a folder that runs until it is closed, so that what one command leaves running serves the next. */
export class DebianSession {
  readonly #init: ChildProcess;
  readonly #pid: string;

  /** Starts the system in `root`, with namespaces that end with this process. */
  static async open(root: string): Promise<DebianSession> {
    const [program = "", ...words] = inNamespaces(["sh", ENTER, root, "sh", "-c", "echo started; exec sleep infinity"]);
    const init = spawn(program, words, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "inherit"] });
    await once(init.stdout, "data");
    const children = await readFile(`/proc/${init.pid}/task/${init.pid}/children`, "utf8");
    return new DebianSession(init, children.trim());
  }

  private constructor(init: ChildProcess, pid: string) {
    this.#init = init;
    this.#pid = pid;
  }

  /** Runs a command as the ordinary user. It is killed after so many seconds, alone, with status 124 or 137. */
  run(limit: number, ...command: readonly string[]): Promise<Step> {
    const enter = ["nsenter", `--target=${this.#pid}`, "--mount", "--pid", "--"];
    const measured = ["bash", "-c", TIMED, "bash", ...asUser(["timeout", "--kill-after=5", `${limit}`, ...command])];
    return timed(["setpriv", "--pdeathsig=KILL", "--", ...enter, ...measured]);
  }

  /** Kills everything that runs in it. */
  async close(): Promise<void> {
    const ended = once(this.#init, "exit");
    this.#init.kill("SIGKILL");
    await ended;
  }
}

/** Returns the words that run a command as the ordinary user, at home, with the environment of a login. */
function asUser(command: readonly string[]): readonly string[] {
  const home = `/home/${USER}`;
  const env = {
    ...{ HOME: home, USER, LOGNAME: USER, SHELL: "/bin/bash", LANG: "C.UTF-8", TERM: "xterm-256color" },
    ...{ PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games", XDG_RUNTIME_DIR: "/run/user/1000" },
  };
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const change = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--init-groups", "--"];
  return [...change, "env", "--ignore-environment", `--chdir=${home}`, ...variables, ...command];
}
