import type { grpc } from "../../proto/gen/messages.js";
import type { DeviceSpec } from "../container/spec.ts";

/** As runc has it. On the wire a mode of 0 and none are the same. */
const DEFAULT_MODE = 0o666;

/** A device of the spec with the names of the OCI runtime spec. What no node can be made of is refused by checkDevices. */
export function toDevice({ Path, Type, Major, Minor, FileMode, UID, GID }: grpc.LinuxDevice): DeviceSpec {
  return {
    path: Path,
    type: Type,
    major: Number(Major),
    minor: Number(Minor),
    mode: FileMode === 0 ? DEFAULT_MODE : FileMode & 0o7777,
    uid: UID,
    gid: GID,
  };
}
