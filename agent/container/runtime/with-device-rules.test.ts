import { expect, test } from "vitest";
import { testSpec } from "../testing/test-spec.ts";
import { withDeviceRules } from "./with-device-rules.ts";

const spec = testSpec();
const given = { allow: false, type: "c", major: 1, minor: 11, access: "w" };
const node = { path: "/dev/kmsg", type: "c", major: 1, minor: 11, mode: 0o600, uid: 0, gid: 0 };
const linux = { ...spec.linux, devices: [node], resources: { pids: { limit: 5 }, devices: [given] } };

test("a runtime without its own filter gets no device rules, but all other limits", () => {
  expect(withDeviceRules({ ...spec, linux }, false).linux.resources).toEqual({ pids: { limit: 5 } });
});

test("a runtime with its own filter gets guestd's rules in guestd's order", () => {
  expect(withDeviceRules({ ...spec, linux }, true).linux.resources).toEqual({
    pids: { limit: 5 },
    devices: [
      { allow: false, type: "a", access: "rwm" },
      { allow: true, type: "c", major: 1, minor: 11, access: "rwm" },
      given,
    ],
  });
  const denyAll = { allow: false, type: "a", access: "rwm" };
  const denied = { ...linux, resources: { devices: [denyAll] } };
  expect(withDeviceRules({ ...spec, linux: denied }, true).linux.resources.devices).toEqual([
    denyAll,
    denyAll,
    { allow: true, type: "c", major: 1, minor: 11, access: "rwm" },
  ]);
});
