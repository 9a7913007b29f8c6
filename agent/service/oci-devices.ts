import type { grpc } from "../../proto/gen/messages.js";
import type { DeviceSpec } from "../container/spec.ts";

/** runc's default. On the wire, mode 0 and no mode look the same. */
const DEFAULT_MODE = 0o666;

/** Converts a device to the names of the OCI runtime spec. checkDevices refuses one for which no node can be created. */
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
