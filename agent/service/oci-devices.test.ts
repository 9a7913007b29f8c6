import { expect, test } from "vitest";
import { grpc } from "../../proto/gen/messages.js";
import { toDevice } from "./oci-devices.ts";

test.each([
  [0, 0o666],
  [0o600, 0o600],
  [0o020640, 0o640],
])("a device off the wire with the mode %o has %o", (FileMode, mode) => {
  const message = { Path: "/dev/x", Type: "b", Major: 8, Minor: 1, FileMode, UID: 3, GID: 4 };
  const decoded = grpc.LinuxDevice.decode(grpc.LinuxDevice.encode(message).finish());
  expect(toDevice(decoded)).toEqual({ path: "/dev/x", type: "b", major: 8, minor: 1, mode, uid: 3, gid: 4 });
});
