import type { grpc } from "../../proto/gen/messages.js";
import { refuse } from "../container/refuse.ts";
import type { Spec } from "../container/spec.ts";
import { AgentError } from "../kernel/error.ts";
import { given } from "./given.ts";
import { toDevice } from "./oci-devices.ts";
import { toHooks } from "./oci-hooks.ts";
import { toMount, toNamespaces } from "./oci-mounts.ts";
import { toProcess, toProcessSettings, unsupportedOfProcess } from "./oci-process.ts";
import { toResources, unsupportedOfResources } from "./oci-resources.ts";
import { unsupportedOfSeccomp } from "./oci-seccomp.ts";

/** Clients that write their spec by hand may omit the version. */
const VERSION = /^(1\.\d+\.\d+([-+].*)?)?$/;

/** Converts grpc.Spec to the names of the OCI runtime spec. `unsupported` names the set fields that guestd doesn't support. */
export function toSpec(message: grpc.Spec | null): Spec {
  if (message === null) throw new AgentError("invalid-argument", "create container: the request has no OCI spec");
  const { Process: process, Root: root, Linux: linux, Hooks } = message;
  if (process === null) throw new AgentError("invalid-argument", "create container: the OCI spec has no process");
  if (root === null) throw new AgentError("invalid-argument", "create container: the OCI spec has no root");
  if (!VERSION.test(message.Version)) {
    throw refuse("ociVersion", `${JSON.stringify(message.Version)} is none of 1.x.y, which guestd knows`);
  }
  const hooks = toHooks(Hooks);
  return {
    process: toProcess(process),
    root: { path: root.Path, readonly: root.Readonly },
    hostname: message.Hostname,
    domainname: message.Domainname,
    mounts: message.Mounts.map(toMount),
    annotations: message.Annotations,
    linux: {
      ...toNamespaces(linux),
      devices: (linux?.Devices ?? []).map(toDevice),
      maskedPaths: linux?.MaskedPaths ?? [],
      readonlyPaths: linux?.ReadonlyPaths ?? [],
      cgroupsPath: linux?.CgroupsPath ?? "",
      resources: toResources(linux?.Resources),
      ...(linux === null ? {} : toProcessSettings(linux)),
    },
    hooks,
    unsupported: [
      ...unsupportedOfProcess(process),
      ...unsupportedOfSpec(message),
      ...unsupportedOfResources(linux?.Resources),
      ...unsupportedOfSeccomp(linux?.Seccomp),
    ],
  };
}

function unsupportedOfSpec(message: grpc.Spec): string[] {
  const { Linux: linux } = message;
  return given({
    solaris: message.Solaris,
    windows: message.Windows,
    "linux.intelRdt": linux?.IntelRdt,
  });
}
