import type { grpc } from "../../../proto/gen/messages.js";
import { mountWarnings } from "../../container/mounts/check-mounts.ts";
import { processWarnings } from "../../container/process/check-process.ts";
import { securityModules } from "../../container/process/security-labels.ts";
import { withDefaultSeccomp } from "../../container/seccomp/default-seccomp.ts";
import type { SharedMount } from "../../container/shared-mounts.ts";
import { firstLines } from "../../kernel/first-lines.ts";
import { passedOverOfProcess } from "../oci-process.ts";
import { toSpec } from "../oci-spec.ts";
import { withPassedStdio } from "../passed-stdio.ts";
import type { Rpc } from "../rpc.ts";
import { toDeviceRequest } from "../to-device-request.ts";
import { toStorage } from "../to-storage.ts";

export const createContainer: Rpc<"CreateContainer"> = async (agent, request, call) => {
  const asked = toSpec(request.OCI);
  const spec = agent.defaultSeccomp ? withDefaultSeccomp(asked) : asked;
  const asksFor = {
    id: request.container_id,
    spec,
    storages: request.storages.map(toStorage),
    devices: request.devices.map(toDeviceRequest),
    sharedMounts: request.shared_mounts.map(toSharedMount),
    user: request.string_user ?? undefined,
    sharePid: request.sandbox_pidns,
  };
  await withPassedStdio(agent, "create container", request, call.signal, (passed) =>
    agent.sandbox.createContainer({ ...asksFor, passed }, call.signal),
  );
  const passedOver = request.OCI?.Process ? passedOverOfProcess(request.OCI.Process) : [];
  const warnings = [...processWarnings(spec.process, securityModules(agent)), ...mountWarnings(spec.mounts)];
  for (const line of firstLines([...warnings, ...passedOver])) {
    agent.warn(`create container ${asksFor.id}: ${line}`);
  }
  return {};
};

function toSharedMount({ name, src_ctr, src_path, dst_path }: grpc.SharedMount): SharedMount {
  return { name: name.slice(0, 80), source: src_ctr, sourcePath: src_path, path: dst_path };
}
