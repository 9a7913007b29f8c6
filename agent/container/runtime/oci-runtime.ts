import type { AdoptedProcess, Fd, KeptFds, Kernel } from "../../kernel/kernel.ts";
import { killCgroup } from "../cgroup/cgroup.ts";
import { supportedResources } from "../cgroup/supported-resources.ts";
import { newLaunchId } from "../launch.ts";
import { namesOf, type PassedStdio } from "../passfd/passed-stream.ts";
import { checkSpec } from "../plan/check-spec.ts";
import { Process } from "../process/process.ts";
import { checkMountLabel, guestLabels, securityModules } from "../process/security-labels.ts";
import { signalDirectly } from "../process/signal-handlers.ts";
import type { ProcessSpec } from "../spec.ts";
import { BuiltInRuntime } from "./built-in-runtime.ts";
import { bundleConfig, processJson, withDeviceRules } from "./bundle-config.ts";
import { findRuntime, type RuntimeName } from "./find-runtime.ts";
import { privateSources, releaseSources } from "./private-sources.ts";
import type { ContainerOptions, ExecOptions, Runtime } from "./runtime.ts";
import { type RuntimeCommand, runCommand, type Stdio } from "./runtime-command.ts";
import { RUNTIME_PROFILES, type RuntimeProfile } from "./runtime-profile.ts";
import { nullStdio, openRuntimeStdio } from "./runtime-stdio.ts";
import { watchProgram } from "./watch-program.ts";

const RUN = "/run/guestd";
const CGROUPS = "/sys/fs/cgroup";

/**
 * Runs containers by another OCI runtime: `create`, `start`, `exec --detach` and `delete` of its command line. When the
 * command ends, the process it created becomes an orphan and so a child of init, which adopts it.
 */
export class OciRuntime implements Runtime {
  readonly #kernel: Kernel;
  readonly #options: ContainerOptions;
  readonly #name: RuntimeName;
  readonly #profile: RuntimeProfile;
  readonly #bundle: string;
  readonly #root: string;

  constructor(kernel: Kernel, options: ContainerOptions, name: RuntimeName) {
    this.#kernel = kernel;
    this.#options = options;
    this.#name = name;
    this.#profile = RUNTIME_PROFILES[name];
    this.#bundle = `${RUN}/bundles/${options.id}`;
    this.#root = `${RUN}/runtimes/${name}`;
  }

  async create(signal: AbortSignal | undefined): Promise<Process> {
    const { id, cgroup, podHostname = "" } = this.#options;
    const { files } = this.#kernel;
    const given = this.#options.spec;
    // A runtime with its own kernel doesn't see the pod's uts namespace.
    const hostname = this.#profile.direct || given.hostname !== "" ? given.hostname : podHostname;
    const hasLabel = securityModules(files);
    const adjusted = { ...given, hostname, process: guestLabels(given.process, hasLabel) };
    checkSpec(adjusted);
    const { linux } = adjusted;
    const resources = this.#profile.ownCgroup ? supportedResources(files, cgroup, linux.resources) : linux.resources;
    const spec = { ...adjusted, linux: { ...linux, resources } };
    checkMountLabel(spec.linux.mountLabel ?? "", hasLabel);
    findRuntime(files, this.#name);
    files.makeDirectory(this.#root, 0o700);
    files.makeDirectory(this.#bundle, 0o700);
    try {
      const mounts = await privateSources(this.#kernel, id, spec.mounts);
      files.replace(
        `${this.#bundle}/config.json`,
        bundleConfig(withDeviceRules({ ...spec, mounts }, this.#profile.ownDeviceFilter), cgroup.slice(CGROUPS.length)),
      );
      const { passed } = this.#options;
      return await this.#make("create", id, spec.process, ["--bundle", this.#bundle], signal, passed);
    } catch (error) {
      killCgroup(files, cgroup);
      await this.remove().catch(() => undefined);
      throw error;
    } finally {
      await releaseSources(this.#kernel, id);
    }
  }

  async start(init: Process, signal: AbortSignal, again = false): Promise<void> {
    const started = this.#profile.direct && !again ? watchProgram(init) : undefined;
    // A runtime refuses to start a running container, which isn't an error in a retry.
    await this.#run("start", this.#options.id, [], { signal }).catch((error: unknown) => {
      if (!again || signal.aborted) throw error;
    });
    await started?.(signal);
    init.closeStartFds();
  }

  async afterStart(): Promise<void> {
    // The runtime runs poststart hooks within its start.
  }

  /**
   * Leaves an exec that could be traced to the built-in runtime: runc and crun start it with privileges that its
   * container won't have.
   */
  async exec(
    init: Process,
    execId: string,
    process: ProcessSpec,
    signal: AbortSignal,
    options: ExecOptions,
  ): Promise<Process> {
    if (options.bornLast && this.#profile.direct) {
      return new BuiltInRuntime(this.#kernel, this.#options).exec(init, execId, process, signal, options);
    }
    const { passed } = options;
    const file = `${this.#bundle}/process-${newLaunchId()}.json`;
    const { files } = this.#kernel;
    files.replace(file, processJson(guestLabels(process, securityModules(files))));
    try {
      return await this.#make("exec", execId, process, ["--detach", "--process", file], signal, passed);
    } finally {
      files.removeTree(file);
    }
  }

  async signal(process: Process, signal: number, isInit: boolean): Promise<void> {
    const { files } = this.#kernel;
    if (this.#profile.direct) return signalDirectly(files, process, signal, isInit);
    if (process.status !== undefined) return;
    const inside = isInit ? [] : ["--pid", files.readText(this.#insidePid(process.launchId)).trim()];
    await this.#run("kill", process.execId, inside, { after: [String(signal)] });
  }

  async remove(): Promise<void> {
    await releaseSources(this.#kernel, this.#options.id);
    if (!this.#kernel.files.exists(this.#bundle)) return;
    await this.#run("delete", this.#options.id, ["--force"], {});
    this.#kernel.files.removeTree(this.#bundle);
  }

  /** Runs a command that leaves a process behind, and has init adopt that process. */
  async #make(
    command: "create" | "exec",
    execId: string,
    process: ProcessSpec,
    args: readonly string[],
    signal: AbortSignal | undefined,
    passed: PassedStdio | undefined,
  ): Promise<Process> {
    const { files } = this.#kernel;
    const { pipeSize } = this.#options;
    findRuntime(files, this.#name);
    const stdio = openRuntimeStdio(this.#kernel, process, { directory: this.#root, pipeSize });
    const launchId = newLaunchId();
    const pidFile = `${this.#bundle}/pid-${launchId}`;
    const more = stdio.consoleSocket === undefined ? [] : ["--console-socket", stdio.consoleSocket];
    if (!this.#profile.direct && command === "exec") more.push("--internal-pid-file", this.#insidePid(launchId));
    try {
      await this.#run(command, execId, [...args, "--pid-file", pidFile, ...more], { signal, stdio: stdio.command });
      return await this.#adopt(execId, launchId, Number(files.readText(pidFile)), await stdio.take(), passed);
    } finally {
      stdio.close();
      files.removeTree(pidFile);
    }
  }

  /** Takes ownership of the descriptors. */
  async #adopt(execId: string, id: number, pid: number, own: KeptFds, passed?: PassedStdio): Promise<Process> {
    const { sys, init } = this.#kernel;
    const { id: container } = this.#options;
    const isInit = execId === container;
    const keep = isInit ? { ...own, release: this.#notStarted() } : own;
    const label = JSON.stringify({ container, exec: execId, ...namesOf(passed) });
    let adopted: AdoptedProcess;
    try {
      adopted = await init.adopt({ id, pid, keep, label });
    } catch (error) {
      for (const fd of Object.values(keep)) sys.close(fd);
      throw error;
    }
    if (!isInit) void adopted.exit.then(() => this.#kernel.files.removeTree(this.#insidePid(id)));
    return Process.take(this.#kernel, execId, adopted, keep, isInit, passed);
  }

  /** File with the pid of an exec inside the runtime's sandbox, kept while the exec runs. */
  #insidePid(launchId: number): string {
    return `${this.#bundle}/inside-${launchId}`;
  }

  /** A `release` that has no reader: while init keeps it, the container has not been started. */
  #notStarted(): Fd {
    const { read, write } = this.#kernel.sys.pipe();
    this.#kernel.sys.close(read);
    return write;
  }

  #run(
    name: string,
    execId: string,
    args: readonly string[],
    more: { readonly signal?: AbortSignal | undefined; readonly stdio?: Stdio; readonly after?: readonly string[] },
  ): Promise<void> {
    const { id } = this.#options;
    const log = `${this.#bundle}/log-${newLaunchId()}`;
    const { flags, ownCgroup } = this.#profile;
    const { signal, stdio, after = [] } = more;
    const program = findRuntime(this.#kernel.files, this.#name);
    const command: RuntimeCommand = {
      args: [program, ...flags, "--root", this.#root, "--log", log, "--log-format=json", name, ...args, id, ...after],
      title: `${this.#name} ${name} ${id}`,
      log,
      label: { container: id, exec: execId, command: name },
      stdio: stdio ?? nullStdio(),
      // Processes that a command creates stay in the command's cgroup.
      ...(ownCgroup || stdio === undefined ? {} : { cgroup: this.#options.cgroup }),
    };
    return runCommand(this.#kernel, command, signal);
  }
}
