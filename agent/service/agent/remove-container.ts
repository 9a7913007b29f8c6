import type { Rpc } from "../rpc.ts";

/** `timeout` in seconds; 0 waits without limit. */
export const removeContainer: Rpc<"RemoveContainer"> = async ({ sandbox }, request, call) => {
  const limit = request.timeout === 0 ? call.signal : AbortSignal.timeout(request.timeout * 1000);
  await sandbox.removeContainer(request.container_id, AbortSignal.any([call.signal, limit]));
  return {};
};
