import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { CaseContext } from "../case-context.ts";
import { withMounts } from "../oci-spec.ts";

export const [S_IFREG, S_IFDIR, S_IFLNK] = [0o100000, 0o040000, 0o120000];

/** Sends one file in one call. */
export function copy(
  context: CaseContext,
  path: string,
  data: Uint8Array | string,
  parts: Init<grpc.CopyFileRequest> = {},
) {
  const bytes = Buffer.from(data);
  const file = { path, file_mode: S_IFREG | 0o644, dir_mode: 0o755, file_size: bytes.length, data: bytes };
  return context.agent.copyFile({ ...file, ...parts });
}

/** Returns what a script prints in a container that sees `directory` of the guest at /copied. */
export function seen(context: CaseContext, directory: string, script: string): Promise<string> {
  const bind = { destination: "/copied", source: directory, type: "bind", options: ["rbind", "ro"] };
  return context.print(`cd /copied; ${script}`, withMounts(bind));
}
