import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ended, runGuestctl } from "../../../host/cli/testing/run-guestctl.ts";
import { namesIn } from "../../../lib/names-in.ts";
import { type GuestctlProcess, startGuestctl } from "../../scenarios/guestctl-process.ts";

/** guestctl with records, templates and temporary files in a directory of its own, so that what it leaves is seen. */
export class TemplateCommands implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "templates-"));
  readonly cache = join(this.directory, "cache");
  readonly #temporary = join(this.directory, "tmp");

  constructor() {
    for (const folder of [this.cache, this.#temporary]) mkdirSync(folder, { mode: 0o700 });
  }

  /** Runs guestctl to its end. `path` precedes PATH. */
  run(args: readonly string[], path?: string): Promise<Ended> {
    return runGuestctl(this.directory, args, this.#env(path));
  }

  /** Starts guestctl in a terminal, where ^C reaches its whole process group. */
  startInTerminal(...args: string[]): GuestctlProcess {
    return startGuestctl(args, { tty: true, env: this.#env() });
  }

  /** Returns the names of the templates that guestctl lists, and of its guests. */
  async listed(): Promise<{ readonly templates: readonly string[]; readonly guests: readonly string[] }> {
    const rows = async (...args: string[]) =>
      JSON.parse((await this.run([...args, "--json"])).stdout) as { readonly name: string; readonly guest: string }[];
    const guests = new Set((await rows("ps")).map(({ guest }) => guest));
    return { templates: (await rows("template", "ls")).map(({ name }) => name), guests: [...guests] };
  }

  /** Returns the names of incomplete templates. */
  incomplete(): readonly string[] {
    return namesIn(join(this.cache, "guestd/templates")).filter((name) => !["named", "digests.json"].includes(name));
  }

  /** Returns everything that should be gone once no command or guest runs: parts of templates, temporary files, processes. */
  remains(): readonly string[] {
    const processes = readdirSync("/proc").filter(
      (pid) => /^\d+$/.test(pid) && commandLine(pid).includes(this.directory),
    );
    return [...this.incomplete(), ...namesIn(this.#temporary), ...processes.map(commandLine)];
  }

  #env(path?: string): NodeJS.ProcessEnv {
    const places = { XDG_RUNTIME_DIR: this.directory, XDG_CACHE_HOME: this.cache, TMPDIR: this.#temporary };
    return path === undefined ? places : { ...places, PATH: `${path}:${process.env["PATH"]}` };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Returns a process's command line; empty once it has ended. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
