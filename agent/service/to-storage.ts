import type { grpc } from "../../proto/gen/messages.js";
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
    ...(message.fs_group === null ? {} : { fsGroup: message.fs_group.group_id }),
  };
}
