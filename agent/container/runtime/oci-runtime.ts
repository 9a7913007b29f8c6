import type { Fd, KeptFds, Kernel } from "../../kernel/kernel.ts";
import { killCgroup } from "../cgroup.ts";
import { checkSpec } from "../check-spec.ts";
import { newLaunchId } from "../launch.ts";
import type { ContainerOptions, Maker } from "../maker.ts";
import { Process } from "../process.ts";
import { signalDirectly } from "../signal-handlers.ts";
import type { ProcessSpec } from "../spec.ts";
import { bundleConfig, processJson } from "./bundle-config.ts";
import { findRuntime, type RuntimeName } from "./find-runtime.ts";
import { type RuntimeCommand, runCommand } from "./runtime-command.ts";
import { nullStdio, openRuntimeStdio } from "./runtime-stdio.ts";

const RUN = "/run/guestd";
const CGROUPS = "/sys/fs/cgroup";

/**
 * The maker that has another OCI runtime make the processes: `create`, `start`, `exec --detach` and `delete` of its
 * command line. A process that it made is an orphan once the command has ended, so a child of init, which adopts it.
 */
export class OciRuntime implements Maker {
  readonly #kernel: Kernel;
  readonly #options: ContainerOptions;
  readonly #name: RuntimeName;
  readonly #bundle: string;
  readonly #root: string;

  constructor(kernel: Kernel, options: ContainerOptions, name: RuntimeName) {
    this.#kernel = kernel;
    this.#options = options;
    this.#name = name;
    this.#bundle = `${RUN}/bundles/${options.id}`;
    this.#root = `${RUN}/runtimes/${name}`;
  }

  async create(signal: AbortSignal | undefined): Promise<Process> {
    const { id, spec, cgroup } = this.#options;
    const { files } = this.#kernel;
    checkSpec(spec);
    findRuntime(files, this.#name);
    files.makeDirectory(this.#root, 0o700);
    files.makeDirectory(this.#bundle, 0o700);
    files.replace(`${this.#bundle}/config.json`, bundleConfig(spec, cgroup.slice(CGROUPS.length)));
    try {
      return await this.#make("create", id, spec.process, ["--bundle", this.#bundle], signal);
    } catch (error) {
      killCgroup(files, cgroup);
      await this.remove().catch(() => undefined);
      throw error;
    }
  }

  async start(init: Process, signal: AbortSignal): Promise<void> {
    await this.#run("start", this.#options.id, [], { signal });
    init.closeStartFds();
  }

  async exec(_init: Process, execId: string, process: ProcessSpec, signal: AbortSignal): Promise<Process> {
    const file = `${this.#bundle}/process-${newLaunchId()}.json`;
    this.#kernel.files.replace(file, processJson(process));
    try {
      return await this.#make("exec", execId, process, ["--detach", "--process", file], signal);
    } finally {
      this.#kernel.files.removeTree(file);
    }
  }

  signal(process: Process, signal: number, isInit: boolean): void {
    signalDirectly(this.#kernel.files, process, signal, isInit);
  }

  async remove(): Promise<void> {
    if (!this.#kernel.files.exists(this.#bundle)) return;
    await this.#run("delete", this.#options.id, ["--force"], {});
    this.#kernel.files.removeTree(this.#bundle);
  }

  /** Runs a command that leaves a process behind, and has init adopt that. */
  async #make(
    command: "create" | "exec",
    execId: string,
    process: ProcessSpec,
    args: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Process> {
    const { files } = this.#kernel;
    const { pipeSize } = this.#options;
    findRuntime(files, this.#name);
    const stdio = openRuntimeStdio(this.#kernel, process, { directory: this.#root, pipeSize });
    const pidFile = `${this.#bundle}/pid-${newLaunchId()}`;
    const more = stdio.consoleSocket === undefined ? [] : ["--console-socket", stdio.consoleSocket];
    try {
      await this.#run(command, execId, [...args, "--pid-file", pidFile, ...more], { signal, stdio: stdio.command });
      return await this.#adopt(execId, Number(files.readText(pidFile)), await stdio.take());
    } finally {
      stdio.close();
      files.removeTree(pidFile);
    }
  }

  /** Takes over the descriptors. */
  async #adopt(execId: string, pid: number, own: KeptFds): Promise<Process> {
    const { sys, init } = this.#kernel;
    const { id: container } = this.#options;
    const isInit = execId === container;
    const keep = isInit ? { ...own, release: this.#notStarted() } : own;
    try {
      const label = JSON.stringify({ container, exec: execId });
      const adopted = await init.adopt({ id: newLaunchId(), pid, keep, label });
      return new Process(this.#kernel, execId, adopted, keep, isInit);
    } catch (error) {
      for (const fd of Object.values(keep)) sys.close(fd);
      throw error;
    }
  }

  /** A `release` that nobody reads: that init keeps it says that the container has not been started. */
  #notStarted(): Fd {
    const { read, write } = this.#kernel.sys.pipe();
    this.#kernel.sys.close(read);
    return write;
  }

  #run(
    name: string,
    execId: string,
    args: readonly string[],
    more: { readonly signal?: AbortSignal | undefined; readonly stdio?: RuntimeCommand["stdio"] },
  ): Promise<void> {
    const { id } = this.#options;
    const log = `${this.#bundle}/log-${newLaunchId()}`;
    const program = findRuntime(this.#kernel.files, this.#name);
    const command: RuntimeCommand = {
      args: [program, "--root", this.#root, "--log", log, "--log-format", "json", name, ...args, id],
      title: `${this.#name} ${name} ${id}`,
      log,
      label: { container: id, exec: execId, command: name },
      stdio: more.stdio ?? nullStdio(),
    };
    return runCommand(this.#kernel, command, more.signal);
  }
}
