import { toSpec } from "../oci-spec.ts";
import { refuseGiven } from "../refuse-given.ts";
import type { Rpc } from "../rpc.ts";
import { toStorage } from "../to-storage.ts";

export const createContainer: Rpc<"CreateContainer"> = async ({ sandbox }, request, call) => {
  refuseGiven("create container", {
    string_user: request.string_user,
    devices: request.devices,
    shared_mounts: request.shared_mounts,
    stdin_port: request.stdin_port,
    stdout_port: request.stdout_port,
    stderr_port: request.stderr_port,
  });
  const container = {
    id: request.container_id,
    spec: toSpec(request.OCI),
    storages: request.storages.map(toStorage),
    sharePid: request.sandbox_pidns,
  };
  await sandbox.createContainer(container, call.signal);
  return {};
};
