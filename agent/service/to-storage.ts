import type { grpc } from "../../proto/gen/messages.js";
import type { FsGroup } from "../storage/fs-group.ts";
import type { Storage } from "../storage/storage.ts";

export function toStorage(message: grpc.Storage): Storage {
  return {
    driver: message.driver,
    driverOptions: message.driver_options,
    source: message.source,
    fstype: message.fstype,
    options: message.options,
    mountPoint: message.mount_point,
    shared: message.shared,
    ...(message.fs_group === null ? {} : { fsGroup: toFsGroup(message.fs_group) }),
  };
}

const ON_ROOT_MISMATCH = 1;

function toFsGroup({ group_id, group_change_policy }: grpc.FSGroup): FsGroup {
  return { gid: group_id, onRootMismatch: group_change_policy === ON_ROOT_MISMATCH };
}
