import type { grpc } from "../../proto/gen/messages.js";
import type { DeviceRequest } from "../device/attach-device.ts";

export function toDeviceRequest({ type, id, vm_path, container_path, options }: grpc.Device): DeviceRequest {
  return { type, id, vmPath: vm_path, containerPath: container_path, options };
}
