import { ALL_CAPABILITIES, capabilityNames } from "../../../agent/kernel/capabilities.ts";
import { ImageError } from "../../../image/image-error.ts";
import { asStrings, asText } from "../../../image/image-json.ts";
import type { Image } from "../../../image/read-image.ts";
import * as defaults from "../../../lib/oci-defaults.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { imageUser } from "./image-user.ts";
import { type Limits, limitResources } from "./limit-resources.ts";

const ALL = capabilityNames(ALL_CAPABILITIES)
  .split(" ")
  .map((name) => `CAP_${name}`);
/** Replaces the filter that an agent would choose. */
const NO_FILTER: Init<grpc.LinuxSeccomp> = { DefaultAction: "SCMP_ACT_ALLOW" };

const writable = (mount: (typeof defaults.DEFAULT_MOUNTS)[number]) => ({
  ...mount,
  options: mount.options.filter((option) => option !== "ro"),
});

/** Options of the user who starts the container; they override the image's config. */
export interface RunOptions {
  /** Replaces the image's Cmd. */
  readonly args?: readonly string[] | undefined;
  /** Replaces the image's Entrypoint, and drops its Cmd. */
  readonly entrypoint?: readonly string[] | undefined;
  /** "NAME=value", or "NAME=" for an empty value; overrides the image's variables. */
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  /** "user", "uid" or "user:group". */
  readonly user?: string | undefined;
  readonly terminal?: { readonly rows: number; readonly columns: number } | undefined;
  readonly hostname?: string;
  readonly readonlyRoot?: boolean | undefined;
  readonly noNewPrivileges?: boolean;
  /** Additional mounts, after the default ones. */
  readonly mounts?: readonly Init<grpc.Mount>[] | undefined;
  readonly cgroupsPath?: string;
  /** Capabilities beside Docker's, with their prefix; or ALL. */
  readonly capabilities?: readonly string[] | undefined;
  /** Capabilities of Docker's that it doesn't get; or ALL, so that only `capabilities` are left. */
  readonly droppedCapabilities?: readonly string[] | undefined;
  /** All capabilities, devices and system calls; nothing of /proc and /sys is masked or read-only. */
  readonly privileged?: boolean | undefined;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Limits of each process; they replace the default ones of their types. */
  readonly rlimits?: readonly Rlimit[] | undefined;
  readonly limits?: Limits | undefined;
  /** Allows all system calls, whatever filter the agent would choose. */
  readonly unfiltered?: boolean;
  /** Runs the command below our init, which is PID 1 and reaps. */
  readonly init?: boolean | undefined;
  /** Lines of /etc/hosts, after localhost's and its own; undefined leaves the image's file at agents that aren't in our guests. */
  readonly hosts?: readonly string[] | undefined;
  /** Name servers instead of those of the guest's network. */
  readonly resolver?: {
    readonly servers: readonly string[];
    readonly search?: readonly string[] | undefined;
    readonly options?: readonly string[] | undefined;
  };
}

/** Where a container sees its init. */
export const INIT = "/dev/init";

/** A limit of setrlimit(2). */
export interface Rlimit {
  /** Such as RLIMIT_NOFILE. */
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

/** Paths of the rootfs: on the host, to look up users, and in the guest. */
export interface RootfsPlace {
  readonly host: string;
  readonly guest: string;
}

/** Returns an image's OCI spec with Docker's defaults, under the names of the proto. Throws ImageError. */
export function imageSpec(
  { config }: Pick<Image, "config">,
  rootfs: RootfsPlace,
  options: RunOptions = {},
): Init<grpc.Spec> {
  const { hostname = "", readonlyRoot = false, cgroupsPath = "", mounts = [], limits = {}, annotations = {} } = options;
  const kernelMounts = [...defaults.DEFAULT_MOUNTS, defaults.CGROUP_MOUNT];
  return {
    Version: "1.1.0",
    Process: processSpec(config, rootfs.host, options),
    Root: { Path: rootfs.guest, Readonly: readonlyRoot },
    Hostname: hostname,
    Annotations: annotations,
    Mounts: [...(options.privileged ? kernelMounts.map(writable) : kernelMounts), ...mounts],
    Linux: {
      Namespaces: defaults.DEFAULT_NAMESPACES.map((type) => ({ Type: type })),
      ...(options.privileged
        ? { Seccomp: NO_FILTER }
        : { MaskedPaths: defaults.DEFAULT_MASKED_PATHS, ReadonlyPaths: defaults.DEFAULT_READONLY_PATHS }),
      ...(options.unfiltered ? { Seccomp: NO_FILTER } : {}),
      CgroupsPath: cgroupsPath,
      Resources: limitResources(limits),
    },
  };
}

/** Returns only the process. For an exec in a running container, give `entrypoint: []` and `args`. */
export function processSpec(config: Image["config"], rootfs: string, options: RunOptions): Init<grpc.Process> {
  const { terminal, noNewPrivileges = false } = options;
  const user = imageUser(rootfs, options.user ?? asText(config["User"]));
  const bounding = boundingSet(options);
  const capabilities = user.uid === 0 ? bounding : [];
  return {
    Terminal: terminal !== undefined,
    ...(terminal === undefined ? {} : { ConsoleSize: { Height: terminal.rows, Width: terminal.columns } }),
    User: { UID: user.uid, GID: user.gid, AdditionalGids: user.additionalGids },
    Args: commandLine(config, options),
    Env: environment(config, options),
    Cwd: options.cwd || asText(config["WorkingDir"]) || "/",
    Capabilities: { Bounding: bounding, Effective: capabilities, Permitted: capabilities },
    Rlimits: rlimits(options),
    NoNewPrivileges: noNewPrivileges,
  };
}

/** Docker's rule: --cap-add counts more than --cap-drop. */
function boundingSet({
  capabilities: added = [],
  droppedCapabilities: dropped = [],
  privileged,
}: RunOptions): string[] {
  if (privileged || added.includes("ALL")) {
    return privileged ? ALL : ALL.filter((each) => !dropped.includes(each));
  }
  const left = dropped.includes("ALL") ? [] : defaults.DEFAULT_CAPABILITIES.filter((each) => !dropped.includes(each));
  return [...new Set([...left, ...added])];
}

function rlimits({ rlimits: own = [] }: RunOptions): Init<grpc.POSIXRlimit>[] {
  const byType = new Map(
    [{ type: "RLIMIT_NOFILE", ...defaults.DEFAULT_NOFILE }, ...own].map((each) => [each.type, each]),
  );
  return Array.from(byType.values(), ({ type, soft, hard }) => ({ Type: type, Soft: soft, Hard: hard }));
}

function commandLine(config: Image["config"], options: RunOptions): string[] {
  const entrypoint = options.entrypoint ?? asStrings(config["Entrypoint"], "Entrypoint of the image");
  const own = options.entrypoint === undefined ? asStrings(config["Cmd"], "Cmd of the image") : [];
  const args = [...entrypoint, ...(options.args ?? own)];
  if (args.length === 0) throw new ImageError("run image: the image has neither Entrypoint nor Cmd; give a command");
  return options.init ? [INIT, ...args] : args;
}

/** Merges variables: the last value wins, at the position of the first. */
function environment(config: Image["config"], options: RunOptions): string[] {
  const values = new Map([["PATH", defaults.DEFAULT_PATH]]);
  if (options.terminal !== undefined) values.set("TERM", "xterm");
  for (const entry of [...asStrings(config["Env"], "Env of the image"), ...(options.env ?? [])]) {
    const equals = entry.indexOf("=");
    if (equals > 0) values.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return Array.from(values, ([name, value]) => `${name}=${value}`);
}
