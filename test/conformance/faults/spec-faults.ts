import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { type Fault, fault, request } from "./fault.ts";

type Spec = Init<grpc.Spec>;

/** Fields of the OCI spec that an agent ignores or mixes up. */
export function specFaults(): Fault[] {
  return [
    spec(
      "args: the last one is lost",
      /args and env/,
      process(({ Args }) => ({ Args: Args.slice(0, -1) })),
    ),
    spec(
      "env: the last variable is lost",
      /args and env/,
      process(({ Env }) => ({ Env: Env.slice(0, -1) })),
    ),
    spec(
      "cwd: is the root directory",
      /^CreateContainer: the process runs in cwd/,
      process(() => ({ Cwd: "/" })),
    ),
    spec(
      "user: is root",
      /uid, gid and additional groups/,
      process(() => ({ User: null })),
    ),
    spec(
      "additional groups: are lost",
      /uid, gid and additional groups/,
      process(({ User }) => ({ User: { ...User, AdditionalGids: [] } })),
    ),
    spec(
      "umask: is ignored",
      /process\.user\.umask/,
      process(({ User }) => ({ User: { ...User, Umask: null } })),
    ),
    spec(
      "capabilities: are all dropped",
      /each set of capabilities/,
      process(() => ({ Capabilities: {} })),
    ),
    spec(
      "capabilities: the ambient set is lost",
      /each set of capabilities/,
      process(({ Capabilities }) => ({ Capabilities: { ...Capabilities, Ambient: [] } })),
    ),
    spec(
      "rlimits: are ignored",
      /^CreateContainer: resource limits/,
      process(() => ({ Rlimits: [] })),
    ),
    spec(
      "rlimits: soft limits are the hard ones",
      /^CreateContainer: resource limits/,
      process(({ Rlimits }) => ({ Rlimits: Rlimits.map((one) => ({ ...one, Soft: one.Hard })) })),
    ),
    spec(
      "no_new_privs: is ignored",
      /^CreateContainer: no_new_privs/,
      process(() => ({ NoNewPrivileges: false })),
    ),
    spec(
      "oomScoreAdj: is ignored",
      /oomScoreAdj/,
      process(() => ({ OOMScoreAdj: 0 })),
    ),
    spec(
      "terminal: is ignored",
      /with a terminal, all three/,
      process(() => ({ Terminal: false })),
    ),
    spec(
      "consoleSize: is ignored",
      /consoleSize/,
      process(() => ({ ConsoleSize: null })),
    ),
    spec(
      "scheduler: is ignored",
      /scheduler and I\/O priority/,
      process(() => ({ Scheduler: null })),
    ),
    spec("root: is writable though read-only", /a read-only root/, ({ Root }) => ({
      Root: { ...Root, Readonly: false },
    })),
    spec("mounts: the last one is lost", /CreateContainer: .*(tmpfs|bind)/, ({ Mounts }) => ({
      Mounts: Mounts.slice(0, -1),
    })),
    spec("mounts: are made in the reverse order", /mounts are made in their order/, ({ Mounts }) => ({
      Mounts: Mounts.toReversed(),
    })),
    spec("mounts: read-only is ignored", /bind mount .* read-only if the options say so/, ({ Mounts }) => ({
      Mounts: Mounts.map((one) => ({ ...one, options: one.options.filter((option) => option !== "ro") })),
    })),
    spec(
      "masked paths: are ignored",
      /masked paths/,
      linux(() => ({ MaskedPaths: [] })),
    ),
    spec(
      "read-only paths: are ignored",
      /read-only paths/,
      linux(() => ({ ReadonlyPaths: [] })),
    ),
    spec(
      "sysctls: are ignored",
      /sysctls of (the pod|its own)/,
      linux(() => ({ Sysctl: {} })),
    ),
    spec(
      "seccomp: is ignored",
      /seccomp filter/,
      linux(() => ({ Seccomp: null })),
    ),
    spec(
      "devices: are not created",
      /a device is created/,
      linux(() => ({ Devices: [] })),
    ),
    spec(
      "cgroups path: is ignored",
      /a cgroups path of the host applies/,
      linux(() => ({ CgroupsPath: "" })),
    ),
    spec(
      "resources: are ignored",
      /memory limit is in|limit of processes/,
      linux(() => ({ Resources: null })),
    ),
    spec(
      "namespaces: the network is the guest's",
      /own network namespace/,
      linux(({ Namespaces }) => ({ Namespaces: Namespaces.filter((one) => one.Type !== "network") })),
    ),
    spec(
      "time offsets: are ignored",
      /time offsets/,
      linux(() => ({ TimeOffsets: {} })),
    ),
    fault(
      "CreateContainer: sandbox_pidns is ignored",
      /with sandbox_pidns, containers share/,
      request("CreateContainer", (is) => ({ ...is, sandbox_pidns: false })),
    ),
    fault(
      "CreateContainer: string_user is ignored",
      /string_user/,
      request("CreateContainer", (is) => ({ ...is, string_user: null })),
    ),
    fault(
      "CreateContainer: sizes of ephemeral storages are ignored",
      /ephemeral storage is a tmpfs of the requested size/,
      request("CreateContainer", (is) => ({
        ...is,
        storages: is.storages.map((one) => ({
          ...one,
          options: one.options.filter((option) => !option.startsWith("size=")),
        })),
      })),
    ),
    fault(
      "CreateContainer: fs_group is ignored",
      /fs_group|fsgid/,
      request("CreateContainer", (is) => ({
        ...is,
        storages: is.storages.map((one) => ({
          ...one,
          fs_group: null,
          options: one.options.filter((option) => !option.startsWith("fsgid=")),
        })),
      })),
    ),
  ];
}

function spec(name: string, caughtBy: RegExp, change: (spec: grpc.Spec) => Spec): Fault {
  const hooks = request("CreateContainer", (is) =>
    is.OCI === null ? is : { ...is, OCI: { ...is.OCI, ...change(is.OCI) } },
  );
  return fault(`CreateContainer: ${name}`, caughtBy, hooks);
}

function process(change: (process: grpc.Process) => Init<grpc.Process>): (spec: grpc.Spec) => Spec {
  return ({ Process }) => (Process === null ? {} : { Process: { ...Process, ...change(Process) } });
}

function linux(change: (linux: grpc.Linux) => Init<grpc.Linux>): (spec: grpc.Spec) => Spec {
  return ({ Linux }) => (Linux === null ? {} : { Linux: { ...Linux, ...change(Linux) } });
}
