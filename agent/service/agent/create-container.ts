import type { grpc } from "../../../proto/gen/messages.js";
import { debugTarget } from "../../container/debug-target.ts";
import { mountWarnings } from "../../container/mounts/check-mounts.ts";
import { processWarnings } from "../../container/process/check-process.ts";
import { securityModules } from "../../container/process/security-labels.ts";
import { withDefaultSeccomp } from "../../container/seccomp/default-seccomp.ts";
import type { SharedMount } from "../../container/shared-mounts.ts";
import type { DeviceRequest } from "../../device/attach-device.ts";
import { firstLines } from "../../kernel/first-lines.ts";
import { BEGUN } from "../dispatch.ts";
import { passedOverOfProcess } from "../oci-process.ts";
import { toSpec } from "../oci-spec.ts";
import { withPassedStdio } from "../passed-stdio.ts";
import type { Rpc } from "../rpc.ts";
import { toStorage } from "../to-storage.ts";

/** Progress of a call whose process is ready to start. */
const READY = 2;

export const createContainer: Rpc<"CreateContainer"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    using _inside = agent.warmStart.gate.enter("create container", call.progress);
    const asked = toSpec(request.OCI);
    const target = debugTarget(asked.annotations);
    if (target !== undefined) {
      const { container: target_id, writable } = target;
      agent.policy.check("Debug", "DebugRequest", { container_id: request.container_id, target_id, writable });
    }
    const spec = agent.defaultSeccomp ? withDefaultSeccomp(asked) : asked;
    const wanted = {
      id: request.container_id,
      spec,
      storages: request.storages.map(toStorage),
      devices: request.devices.map(toDeviceRequest),
      sharedMounts: request.shared_mounts.map(toSharedMount),
      user: request.string_user ?? undefined,
      sharePid: request.sandbox_pidns,
    };
    const progress = call.progress ?? 0;
    const found = agent.sandbox.find(wanted.id);
    if (progress > 0 && found !== undefined) {
      if (progress === READY || (await found.isReady(call.signal))) return {};
      await agent.sandbox.removeContainer(wanted.id, call.signal);
    } else if (found === undefined) call.note?.(BEGUN);
    await withPassedStdio(agent, "create container", request, call.signal, (passed) =>
      agent.sandbox.createContainer({ ...wanted, passed, onReady: () => call.note?.(READY) }, call.signal),
    );
    const passedOver = request.OCI?.Process ? passedOverOfProcess(request.OCI.Process) : [];
    const warnings = [...processWarnings(spec.process, securityModules(agent)), ...mountWarnings(spec.mounts)];
    for (const line of firstLines([...warnings, ...passedOver])) {
      agent.warn(`create container ${wanted.id}: ${line}`);
    }
    return {};
  },
};

function toDeviceRequest({ type, id, vm_path, container_path, options }: grpc.Device): DeviceRequest {
  return { type, id, vmPath: vm_path, containerPath: container_path, options };
}

function toSharedMount({ name, src_ctr, src_path, dst_path }: grpc.SharedMount): SharedMount {
  return { name: name.slice(0, 80), source: src_ctr, sourcePath: src_path, path: dst_path };
}
