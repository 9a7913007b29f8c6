import { mountWarnings } from "../../container/mounts/check-mounts.ts";
import { processWarnings } from "../../container/process/check-process.ts";
import { securityModules } from "../../container/process/security-labels.ts";
import { withDefaultSeccomp } from "../../container/seccomp/default-seccomp.ts";
import { toSpec } from "../oci-spec.ts";
import { refuseGiven } from "../refuse-given.ts";
import type { Rpc } from "../rpc.ts";
import { toDeviceRequest } from "../to-device-request.ts";
import { toStorage } from "../to-storage.ts";

export const createContainer: Rpc<"CreateContainer"> = async (agent, request, call) => {
  refuseGiven("create container", {
    shared_mounts: request.shared_mounts,
    stdin_port: request.stdin_port,
    stdout_port: request.stdout_port,
    stderr_port: request.stderr_port,
  });
  const asked = toSpec(request.OCI);
  const spec = agent.defaultSeccomp ? withDefaultSeccomp(asked) : asked;
  const container = {
    id: request.container_id,
    spec,
    storages: request.storages.map(toStorage),
    devices: request.devices.map(toDeviceRequest),
    user: request.string_user ?? undefined,
    sharePid: request.sandbox_pidns,
  };
  await agent.sandbox.createContainer(container, call.signal);
  for (const line of [...processWarnings(spec.process, securityModules(agent)), ...mountWarnings(spec.mounts)]) {
    agent.warn(`create container ${container.id}: ${line}`);
  }
  return {};
};
