import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/** Capabilities that docker gives to containers, and to the steps of a build. */
const DEFAULT =
  `CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL
  AUDIT_WRITE`.split(/\s+/);
/** The rest of the kernel's, for `--privileged`; without SYS_RESOURCE, which machines in containers lack. */
const OTHERS =
  `DAC_READ_SEARCH LINUX_IMMUTABLE NET_BROADCAST NET_ADMIN IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_PTRACE SYS_PACCT
  SYS_ADMIN SYS_BOOT SYS_NICE SYS_TIME SYS_TTY_CONFIG LEASE AUDIT_CONTROL MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
  BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`.split(/\s+/);
/** A step that takes longer is killed. */
const LIMIT_MS = 1_500_000;

/** How a container is run, as by docker's options of these names. */
export interface ContainerOptions {
  readonly env: readonly string[];
  /** `--privileged --cgroupns host`. */
  readonly privileged?: boolean;
  /** Folders of this machine by their paths in the container. */
  readonly volumes?: Readonly<Record<string, string>>;
}

/** The part that is changed here of what `runc spec` prints. */
interface RuntimeSpec {
  readonly process: { readonly rlimits?: unknown };
  readonly mounts: readonly Mount[];
  readonly linux: {
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly namespaces: readonly { readonly type: string }[];
  };
}

interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

/** A Debian in a folder whose programs run as in docker's containers, by runc and with this machine's network. */
export class ContainerRoot {
  readonly #directory: string;
  #count = 0;

  /** `directory` has the root file system in `root`. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Runs a command to its end. Rejects with its output if it fails. */
  async run(command: readonly string[], options: ContainerOptions): Promise<string> {
    const { words } = this.#prepare(command, options);
    const [program = "", ...args] = words;
    const done = await promisify(execFile)(program, args, { timeout: LIMIT_MS, maxBuffer: 1 << 26 }).catch(
      ({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }) => {
        throw new Error(`${command.join(" ")}: ${`${stdout}${stderr}`.slice(-3000)}`);
      },
    );
    return done.stdout;
  }

  /** Starts a command, and returns its process and a function that runs others beside it. */
  start(command: readonly string[], options: ContainerOptions) {
    const { words, id } = this.#prepare(command, options);
    const [program = "", ...args] = words;
    const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
    const exec = (...more: string[]) => execFileSync("runc", ["exec", id, ...more], { encoding: "utf8" });
    return { child, exec, kill: () => execFileSync("runc", ["delete", "--force", id]) };
  }

  #prepare(command: readonly string[], options: ContainerOptions) {
    this.#count += 1;
    const bundle = join(this.#directory, `bundle-${this.#count}`);
    const id = `guestd-docker-${process.pid}-${this.#count}`;
    mkdirSync(bundle);
    execFileSync("runc", ["spec", "--bundle", bundle]);
    const file = join(bundle, "config.json");
    const spec = JSON.parse(readFileSync(file, "utf8")) as RuntimeSpec;
    writeFileSync(file, JSON.stringify(this.#specOf(spec, command, options, id)));
    return { id, words: ["setpriv", "--pdeathsig=TERM", "--", "runc", "run", "--bundle", bundle, id] };
  }

  #specOf(spec: RuntimeSpec, args: readonly string[], options: ContainerOptions, id: string): object {
    const { env, privileged = false, volumes = {} } = options;
    const names = (privileged ? [...DEFAULT, ...OTHERS] : DEFAULT).map((name) => `CAP_${name}`);
    const { rlimits: _, ...process } = spec.process;
    const { maskedPaths, readonlyPaths, namespaces, ...linux } = spec.linux;
    const shared = ["network", ...(privileged ? ["cgroup"] : [])];
    return {
      ...spec,
      process: {
        ...{ ...process, args, terminal: false, noNewPrivileges: false },
        ...{ capabilities: { bounding: names, effective: names, permitted: names } },
        env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", ...env],
      },
      root: { path: join(this.#directory, "root"), readonly: false },
      mounts: [
        ...(privileged ? writable(spec.mounts) : spec.mounts),
        ...Object.entries(volumes).map(([destination, source]) => bind(destination, source)),
      ],
      linux: {
        ...linux,
        ...(privileged ? { resources: { devices: [{ allow: true, access: "rwm" }] } } : { maskedPaths, readonlyPaths }),
        namespaces: namespaces.filter(({ type }) => !shared.includes(type)),
        cgroupsPath: `/${id}`,
      },
    };
  }
}

/** Returns the mounts of a privileged container, with this machine's cgroups. */
function writable(mounts: readonly Mount[]): readonly Mount[] {
  const others = mounts.filter(({ destination }) => destination !== "/sys/fs/cgroup");
  const changed = others.map((mount) => ({ ...mount, options: (mount.options ?? []).filter((each) => each !== "ro") }));
  return [...changed, bind("/sys/fs/cgroup", cgroups())];
}

function bind(destination: string, source: string): Mount {
  return { destination, type: "bind", source, options: ["rbind", "rw"] };
}

/** Returns where this machine has cgroup v2. */
function cgroups(): string {
  return existsSync("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
}
