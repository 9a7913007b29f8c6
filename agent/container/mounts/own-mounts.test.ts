import { expect, test } from "vitest";
import type { MountSpec, NamespaceSpec, Spec } from "../spec.ts";
import { isIdmapped, mountSlot, ownMounts } from "./own-mounts.ts";

const mount = (type: string, options: string[] = [], parts: Partial<MountSpec> = {}): MountSpec => ({
  ...{ destination: "/there", type, source: "/from", options },
  ...parts,
});
const devpts = mount("devpts", [], { destination: "/dev/pts" });
const MAPPINGS = [{ containerID: 0, hostID: 1000, size: 10 }];
const USER: NamespaceSpec = { type: "user", path: "" };
const own = (type: string): NamespaceSpec => ({ type, path: "" });
const joined = (type: string): NamespaceSpec => ({ type, path: `/proc/1/ns/${type}` });

function kinds(mounts: readonly MountSpec[], namespaces: readonly NamespaceSpec[] = []) {
  return Object.fromEntries(ownMounts({ mounts, linux: { namespaces } } as unknown as Spec));
}

test("the agent creates a container's terminals, wherever they stand", () => {
  expect(kinds([mount("tmpfs"), devpts])).toEqual({ 1: "devpts" });
  expect(kinds([devpts], [USER])).toEqual({ 0: "devpts" });
  expect(kinds([mount("devpts")])).toEqual({});
});

test("mounts with mapped ids are the agent's, others aren't without a user namespace", () => {
  const mapped = [
    mount("bind", ["bind", "idmap"]),
    mount("bind", ["bind"], { uidMappings: MAPPINGS }),
    mount("bind", ["bind"], { gidMappings: MAPPINGS }),
  ];
  expect(mapped.map(isIdmapped)).toEqual([true, true, true]);
  expect(isIdmapped(mount("bind", ["bind", "ro"]))).toBe(false);
  expect(kinds([mount("bind", ["bind"]), ...mapped, mount("sysfs"), mount("mqueue")])).toEqual({
    1: "bind",
    2: "bind",
    3: "bind",
  });
});

test("in a user namespace binds are the agent's, but not their remounts", () => {
  const mounts = [
    mount("bind", ["bind"]),
    mount("none", ["rbind"]),
    mount("bind", ["bind", "remount"]),
    mount("tmpfs"),
  ];
  expect(kinds(mounts, [USER])).toEqual({ 0: "bind", 1: "bind" });
});

test("in a user namespace sysfs and mqueue are the agent's if the namespace that they show isn't the container's", () => {
  const mounts = [mount("sysfs"), mount("mqueue")];
  expect(kinds(mounts, [USER])).toEqual({ 0: "sysfs", 1: "mqueue" });
  expect(kinds(mounts, [USER, joined("network"), joined("ipc")])).toEqual({ 0: "sysfs", 1: "mqueue" });
  expect(kinds(mounts, [USER, own("network")])).toEqual({ 1: "mqueue" });
  expect(kinds(mounts, [USER, own("ipc")])).toEqual({ 0: "sysfs" });
});

test("a mount's slot has its index", () => {
  expect(mountSlot(12)).toBe("mount:12");
});
