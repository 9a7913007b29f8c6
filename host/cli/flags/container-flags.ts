import { posix } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { isCapability } from "../../../agent/kernel/capabilities.ts";
import type { RunOptions } from "../../engine/image/image-config.ts";
import { bytes, count, seconds, signalNumber } from "./option-values.ts";

/** Docker's options of a container that are fields of its spec or record, and no more. */
export interface ContainerFlags {
  readonly hostname?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: true;
  readonly readOnly?: true;
  readonly init?: true;
  readonly tmpfs?: RunOptions["mounts"];
  readonly shmSize?: number;
  readonly securityOpt?: SecurityOptions;
  readonly stopSignal?: number;
  readonly stopTimeout?: number;
  readonly timeout?: number;
}

export function withContainerFlags(command: Command): Command {
  return command
    .option("--hostname <name>", "host name in the container", hostname)
    .option("-l, --label <name=value>", "label, for ps --filter label=NAME; repeatable", labels)
    .option("--cap-add <capability>", "add a capability, such as NET_ADMIN, or ALL; repeatable", capabilities)
    .option("--cap-drop <capability>", "drop a capability, or ALL; repeatable", capabilities)
    .option("--privileged", "all capabilities, devices and system calls, and nothing of /proc and /sys hidden")
    .option("--read-only", "mount its root file system read-only")
    .option("--init", "run the command below an init: PID 1, which passes signals on and reaps orphans")
    .option("--tmpfs <path[:options]>", "mount memory, such as /run:size=16m,mode=755; repeatable", tmpfs)
    .option("--shm-size <size>", "size of /dev/shm (default: 64m)", bytes)
    .option(
      "--security-opt <option>",
      "no-new-privileges, or seccomp=unconfined to allow all system calls; repeatable",
      securityOptions,
    )
    .option(
      "--stop-signal <signal>",
      "signal with which guestctl stop ends it (default: the image's, or TERM)",
      signalNumber,
    )
    .option("--stop-timeout <seconds>", "seconds until guestctl stop kills it (default: 10)", seconds)
    .option("--timeout <seconds>", "kill it if it still runs after this time", count);
}

/** Other containers of the guest keep their host name, which is the guest's. */
const OWN_UTS = { "guestd.uts": "own" };

/** Maps the flags to options of a spec. */
export function containerOptions(flags: ContainerFlags): RunOptions {
  const { hostname: name, capAdd, capDrop, securityOpt } = flags;
  return {
    ...(name === undefined ? {} : { hostname: name, annotations: OWN_UTS }),
    capabilities: capAdd,
    droppedCapabilities: capDrop,
    ...(flags.privileged ? { privileged: true } : {}),
    ...(flags.readOnly ? { readonlyRoot: true } : {}),
    ...(flags.init ? { init: true } : {}),
    ...securityOpt,
  };
}

/** Accepts a host name of up to 64 bytes, the kernel's limit. */
function hostname(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError("Expected up to 64 letters, digits, . and -, with a letter or digit at both ends.");
}

/** Parses "NAME=value", or "NAME" for an empty value, and adds it to `before`. */
function labels(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [, name = "", value = ""] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError("Expected NAME=value.");
  return Object.fromEntries([...Object.entries(before), [name, value]]);
}

/** Parses a capability with or without its prefix, in any case, or ALL, and appends it. */
function capabilities(text: string, before: readonly string[] = []): readonly string[] {
  const name = text.toUpperCase().replace(/^CAP_/, "");
  if (name === "ALL") return [...before, "ALL"];
  if (!isCapability(name)) throw new InvalidArgumentError("Expected a capability such as NET_ADMIN, or ALL.");
  return [...before, `CAP_${name}`];
}

type SecurityOptions = Pick<RunOptions, "noNewPrivileges" | "unfiltered">;

/** Docker's security options; containers have neither profiles of AppArmor nor labels of SELinux unless a spec asks for them. */
const SECURITY: Readonly<Record<string, SecurityOptions>> = {
  "no-new-privileges": { noNewPrivileges: true },
  "no-new-privileges=true": { noNewPrivileges: true },
  "no-new-privileges=false": { noNewPrivileges: false },
  "seccomp=unconfined": { unfiltered: true },
  "apparmor=unconfined": {},
  "label=disable": {},
};

function securityOptions(text: string, before: SecurityOptions = {}): SecurityOptions {
  const found = Object.entries(SECURITY).find(([name]) => name === text.replace(":", "="));
  if (found === undefined) throw new InvalidArgumentError("Expected no-new-privileges or seccomp=unconfined.");
  return { ...before, ...found[1] };
}

/** Replaces the default /dev/shm by one of this size. */
export function shmMount({ shmSize }: ContainerFlags): NonNullable<RunOptions["mounts"]> {
  if (shmSize === undefined) return [];
  const options = [...TMPFS_OPTIONS, "mode=1777", `size=${shmSize}`];
  return [{ destination: "/dev/shm", source: "shm", type: "tmpfs", options }];
}

/** Docker's options of a --tmpfs, which its own ones follow. */
const TMPFS_OPTIONS = ["nosuid", "nodev", "noexec"];

/** Parses "/PATH" or "/PATH:OPTION,…" to a mount, and appends it. */
function tmpfs(text: string, before: NonNullable<RunOptions["mounts"]> = []): NonNullable<RunOptions["mounts"]> {
  const [, path = "", words] = /^(\/[^:]*)(?::([a-z0-9_=%,]+))?$/.exec(text) ?? [];
  if (path === "") throw new InvalidArgumentError("Expected /PATH or /PATH:OPTIONS, such as /run:size=16m.");
  const options = [...TMPFS_OPTIONS, ...(words?.split(",").filter((word) => word !== "") ?? [])];
  return [...before, { destination: posix.normalize(path), source: "tmpfs", type: "tmpfs", options }];
}
