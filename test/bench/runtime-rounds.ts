import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { Samples } from "./samples.ts";

/** Command lines; like guestd, each creates a cgroup per container. */
const COMMANDS = {
  crun: ["crun", "--cgroup-manager=cgroupfs"],
  runc: ["runc"],
} as const;

export type RuntimeName = keyof typeof COMMANDS;

/** Runs an OCI runtime by command line, with its containers below one directory. Disposal removes all of them. */
export class RuntimeRounds implements AsyncDisposable {
  readonly create = new Samples();
  readonly start = new Samples();
  readonly exec = new Samples();
  /** Cost of the command line itself: a program that does nothing. */
  readonly spawn = new Samples();
  readonly name: RuntimeName;
  readonly #directory: string;
  readonly #exec: readonly string[];
  readonly #made = new Set<string>();

  /** Takes over `directory`. Writes `spec` as the config.json of a bundle there, with `namespaces`. */
  constructor(
    name: RuntimeName,
    directory: string,
    spec: Init<grpc.Spec>,
    options: { readonly exec: readonly string[]; readonly namespaces: readonly { type: string; path?: string }[] },
  ) {
    this.name = name;
    this.#directory = directory;
    this.#exec = options.exec;
    mkdirSync(join(directory, "bundle"), { recursive: true });
    writeFileSync(join(directory, "bundle/config.json"), JSON.stringify(config(spec, options.namespaces)));
  }

  /** Runs one container. Throws if a command fails or the exec doesn't print `output`. */
  async round(id: string, output: string): Promise<void> {
    this.#made.add(id);
    await this.spawn.time(() => run("/bin/true", []));
    await this.create.time(() => this.#run("create", "--bundle", join(this.#directory, "bundle"), id));
    await this.start.time(() => this.#run("start", id));
    const text = await this.exec.time(() => this.#run("exec", id, ...this.#exec));
    if (text !== output) throw new Error(`${this.name} exec: output ${JSON.stringify(text)}`);
    await this.#delete(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#made) await this.#delete(id).catch(() => undefined);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #delete(id: string): Promise<void> {
    await this.#run("delete", "--force", id);
    this.#made.delete(id);
  }

  #run(...args: readonly string[]): Promise<string> {
    const [program, ...options] = COMMANDS[this.name];
    return run(program, [...options, "--root", join(this.#directory, "state"), ...args]);
  }
}

/**
 * Runs a program to its end and returns its output. Captures stdout only for exec: a container that outlives the
 * program would keep it open.
 */
async function run(program: string, args: readonly string[]): Promise<string> {
  const exec = args.includes("exec");
  const child = spawn(program, args, { stdio: ["ignore", exec ? "pipe" : "ignore", "inherit"] });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (data: string) => {
    text += data;
  });
  const [code] = await once(child, exec ? "close" : "exit");
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}`);
  return text;
}

/** Converts the container's spec to OCI JSON. */
function config({ Process, Root, Mounts, Linux }: Init<grpc.Spec>, namespaces: readonly object[]): object {
  const { Args, Env, Cwd, Capabilities, NoNewPrivileges } = Process ?? {};
  const sets = Object.entries(Capabilities ?? {}).map(([name, list]) => [name.toLowerCase(), list]);
  return {
    ociVersion: "1.0.0",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: Args,
      env: Env,
      cwd: Cwd,
      capabilities: Object.fromEntries(sets),
      noNewPrivileges: NoNewPrivileges,
    },
    root: { path: Root?.Path },
    mounts: Mounts,
    linux: { namespaces, maskedPaths: Linux?.MaskedPaths, readonlyPaths: Linux?.ReadonlyPaths },
  };
}
