import fc from "fast-check";
import { expect, test } from "vitest";
import { AgentError } from "../../kernel/error.ts";
import { decodeCdiFile } from "./cdi-file.ts";

const edits = (containerEdits: object) => ({
  cdiVersion: "0.6.0",
  kind: "vendor.com/class",
  devices: [{ name: "0", containerEdits }],
});

test("all edits of a device are decoded, and absent fields have their defaults", () => {
  const file = decodeCdiFile({
    cdiVersion: "1.1.0",
    kind: "nvidia.com/gpu",
    annotations: { any: "thing" },
    containerEdits: { env: ["A=b"], hooks: [{ hookName: "createContainer", path: "/h", args: ["h", "x"] }] },
    devices: [
      {
        name: "all",
        annotations: {},
        containerEdits: {
          deviceNodes: [
            { path: "/dev/nvidia0" },
            {
              path: "/dev/x",
              hostPath: "/dev/y",
              type: "c",
              major: 1,
              minor: 3,
              fileMode: 438,
              uid: 5,
              permissions: "rw",
            },
          ],
          mounts: [{ hostPath: "/lib/a", containerPath: "/lib/b", options: ["ro"] }],
          additionalGids: [44],
        },
      },
    ],
  });
  expect(file.kind).toBe("nvidia.com/gpu");
  expect(file.edits).toMatchObject({
    env: ["A=b"],
    hooks: [{ kind: "createContainer", path: "/h", args: ["h", "x"] }],
  });
  const device = file.devices.get("all");
  expect(device?.nodes).toMatchObject([
    { path: "/dev/nvidia0", hostPath: "/dev/nvidia0", access: "rwm" },
    { path: "/dev/x", hostPath: "/dev/y", type: "c", major: 1, minor: 3, mode: 438, uid: 5, access: "rw" },
  ]);
  expect(device?.mounts).toEqual([{ source: "/lib/a", destination: "/lib/b", type: "bind", options: ["ro"] }]);
  expect(device?.gids).toEqual([44]);
});

test.each([
  [[], "the file is not an object"],
  [{}, "cdiVersion is missing"],
  [{ ...edits({}), cdiVersion: "2.0.0" }, 'cdiVersion "2.0.0" is unknown'],
  [{ ...edits({}), kind: "gpu" }, 'kind "gpu" is not VENDOR/CLASS'],
  [{ ...edits({}), devices: [] }, "the file has no devices"],
  [{ ...edits({}), devices: [{ name: "0" }, { name: "0" }] }, 'device "0" is defined twice'],
  [{ ...edits({}), devices: [{ name: 0 }] }, "devices[0].name is not a string"],
  [{ ...edits({}), more: 1 }, "more is not supported"],
  [edits({ intelRdt: {} }), "devices[0].containerEdits.intelRdt is not supported"],
  [edits({ netDevices: [] }), "devices[0].containerEdits.netDevices is not supported"],
  [edits({ env: ["A"] }), "devices[0].containerEdits.env[0] is not NAME=VALUE"],
  [edits({ env: [1] }), "devices[0].containerEdits.env[0] is not a string"],
  [edits({ deviceNodes: [{}] }), "devices[0].containerEdits.deviceNodes[0].path is missing"],
  [edits({ deviceNodes: [{ path: "/a", major: -1 }] }), "deviceNodes[0].major is not a whole number"],
  [edits({ deviceNodes: [{ path: "/a", permissions: "x" }] }), 'permissions "x" may contain only r, w and m'],
  [edits({ mounts: [{ hostPath: "/a" }] }), "mounts[0].containerPath is missing"],
  [edits({ mounts: {} }), "devices[0].containerEdits.mounts is not a list"],
  [edits({ additionalGids: [-1] }), "additionalGids[0] is not a group id"],
  [edits({ hooks: [{ hookName: "poststop", path: "/a\0" }] }), "hooks[0].path is not a string"],
])("%j is refused: %s", (value, line) => {
  expect(() => decodeCdiFile(value)).toThrow(line);
});

test("any other value is refused in one line", () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (value, inside) => {
      for (const one of [value, edits(inside as object), { ...edits({}), devices: inside }]) {
        try {
          decodeCdiFile(one);
        } catch (error) {
          expect(error).toBeInstanceOf(AgentError);
        }
      }
    }),
  );
});
