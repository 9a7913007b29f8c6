import { describe, expect, test } from "vitest";
import type { DeviceSpec } from "../spec.ts";
import { checkDevices, compileDevices } from "./compile-devices.ts";
import { PlanBuilder } from "./plan-builder.ts";

const device = (parts: Partial<DeviceSpec> = {}): DeviceSpec => ({
  path: "/dev/own",
  type: "c",
  major: 10,
  minor: 200,
  mode: 0o640,
  uid: 7,
  gid: 8,
  ...parts,
});

function steps(devices: readonly DeviceSpec[], bind = false) {
  const plan = new PlanBuilder();
  compileDevices(plan, devices, bind);
  return plan.finish().steps;
}
const made = (devices: readonly DeviceSpec[]) =>
  steps(devices).flatMap(({ op, reason }) => (op.op === "mknod" ? [{ ...op, reason }] : []));

describe("devices of the spec", () => {
  test.each([
    ["c", 0o020640, 10, 200],
    ["u", 0o020640, 10, 200],
    ["b", 0o060640, 10, 200],
    ["p", 0o010640, 0, 0],
  ])("of type %s become nodes with the exact mode and owner", (type, mode, major, minor) => {
    const own = made([device({ type })]).at(-1);
    expect(own).toEqual({
      op: "mknod",
      path: "/dev/own",
      mode,
      major,
      minor,
      uid: 7,
      gid: 8,
      reason: "linux.devices[0]",
    });
  });

  test("replace a default device or link of the same path", () => {
    const all = steps([device({ path: "/dev//./null", major: 1, minor: 3 }), device({ path: "/dev/core" })]);
    const nulls = all.flatMap(({ op }) => (op.op === "mknod" && op.path === "/dev/null" ? [op.mode] : []));
    expect(nulls).toEqual([0o020640]);
    expect(all.map(({ op }) => op.op === "symlink" && op.path)).not.toContain("/dev/core");
  });

  test("are bound from the guest if mknod is forbidden, default ones too", () => {
    const all = steps([device()], true);
    expect(all.map(({ op }) => op.op)).not.toContain("mknod");
    expect(all.map(({ op }) => op)).toContainEqual({ op: "attach", target: "/dev/null", overProc: false });
    expect(all.map(({ op }) => op)).toContainEqual({
      op: "open-tree",
      from: "guest",
      path: "/dev/own",
      recursive: false,
    });
  });

  test.each<[Partial<DeviceSpec>, string]>([
    [{ path: "dev/own" }, "(dev/own) is not an absolute path"],
    [{ path: "" }, "() is not an absolute path"],
    [{ path: "/dev/.." }, "(/dev/..) names a directory"],
    [{ path: "/" }, "(/) names a directory"],
    [{ path: "/dev/a\0b" }, "(/dev/a\0b) has a NUL byte in it"],
    [{ type: "x" }, '(/dev/own) type "x" is not one of c, b, u, p'],
    [{ type: "" }, '(/dev/own) type "" is not one of c, b, u, p'],
    [{ major: -1 }, "(/dev/own) major -1 is outside 0..4095"],
    [{ major: 4096 }, "(/dev/own) major 4096 is outside 0..4095"],
    [{ minor: 2 ** 20 }, "(/dev/own) minor 1048576 is outside 0..1048575"],
  ])("with %j are refused by name", (parts, why) => {
    expect(() => checkDevices([device(), device(parts)])).toThrow(`OCI spec: linux.devices[1] ${why}`);
  });

  test("may have the largest numbers, and may be 4096", () => {
    expect(() =>
      checkDevices([device({ major: 4095, minor: 2 ** 20 - 1 }), device({ major: 0, minor: 0 })]),
    ).not.toThrow();
    const many = (length: number) => Array.from({ length }, () => device());
    expect(() => checkDevices(many(4096))).not.toThrow();
    expect(() => checkDevices(many(4097))).toThrow("OCI spec: linux.devices has 4097 entries, more than 4096");
    expect(() => checkDevices([device({ major: 1.5 })])).toThrow("major 1.5 is outside 0..4095");
  });

  test("of type p need no numbers", () => {
    expect(() => checkDevices([device({ type: "p", major: -1, minor: -1 })])).not.toThrow();
  });
});
