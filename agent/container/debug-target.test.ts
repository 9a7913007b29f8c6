import { describe, expect, test } from "vitest";
import type { ExitStatus } from "../kernel/kernel.ts";
import { type Debugged, debugTarget, joinTarget, targetMount } from "./debug-target.ts";
import type { NamespaceSpec, Spec } from "./spec.ts";

const TYPES = ["mount", "mnt", "cgroup", "pid", "network", "ipc", "uts", "user"];
const MAPPINGS = [{ containerID: 0, hostID: 1000, size: 10 }];

function specOf(linux: object, parts: object = {}): Spec {
  return { hostname: "own", domainname: "own.test", annotations: {}, linux, ...parts } as unknown as Spec;
}

const spec = specOf({
  namespaces: TYPES.map((type) => ({ type, path: "" })),
  uidMappings: [],
  gidMappings: [],
  cgroupsPath: "/own",
});

function target(linux: object = {}, status?: ExitStatus, annotations = {}): Debugged {
  const namespaces = TYPES.map((type) => ({ type, path: "/of/host" }));
  const init = { pid: 12, status };
  return { id: "app", spec: specOf({ namespaces, ...linux }, { annotations }), init };
}

const request = { container: "app", writable: false };

describe("a container that debugs another one", () => {
  test.each([
    [{}, undefined],
    [{ "guestd.debug": "" }, undefined],
    [{ "guestd.debug": "app" }, { container: "app", writable: false }],
    [
      { "guestd.debug": "app", "guestd.debug.writable": "true" },
      { container: "app", writable: true },
    ],
    [
      { "guestd.debug": "app", "guestd.debug.writable": "1" },
      { container: "app", writable: false },
    ],
    [{ "guestd.debug.writable": "true" }, undefined],
  ])("is one by its annotations: %j", (annotations, expected) => {
    expect(debugTarget(annotations)).toEqual(expected);
  });

  test("has the target's root at /target, read-only unless it asks for more", () => {
    const mount = { name: "debug app", source: "app", sourcePath: "/", path: "/target" };
    expect(targetMount(request)).toEqual({ ...mount, isolated: "ro" });
    expect(targetMount({ ...request, writable: true })).toEqual({ ...mount, isolated: "rw" });
  });

  test("has mounts and cgroup of its own, the target's other namespaces, and no names of its own", () => {
    const joined = joinTarget(spec, request, target());
    const at = (type: string, file = type): NamespaceSpec => ({ type, path: `/proc/12/ns/${file}` });
    expect(joined.linux.namespaces).toEqual([
      ...["mount", "mnt", "cgroup"].map((type) => ({ type, path: "" })),
      ...[at("pid"), at("network", "net"), at("ipc"), at("uts"), at("user")],
    ]);
    expect([joined.hostname, joined.domainname]).toEqual(["", ""]);
    expect(joined.linux).toMatchObject({ cgroupsPath: "/own" });
  });

  test("has the target's mappings of ids, or none as the target", () => {
    const both = joinTarget(spec, request, target({ uidMappings: MAPPINGS, gidMappings: [] })).linux;
    expect([both.uidMappings, both.gidMappings]).toEqual([MAPPINGS, []]);
    const none = joinTarget(spec, request, target()).linux;
    expect([none.uidMappings, none.gidMappings]).toEqual([undefined, undefined]);
  });

  test("needs a target that runs", () => {
    const ended: ExitStatus = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
    const long = "x".repeat(100);
    const message = (id: string) => `debug container ${id}: no container of this id runs`;
    expect(() => joinTarget(spec, request, undefined)).toThrow(
      expect.objectContaining({ kind: "not-found", message: message("app") }),
    );
    expect(() => joinTarget(spec, request, target({}, ended))).toThrow(message("app"));
    expect(() => joinTarget(spec, { ...request, container: long }, undefined)).toThrow(message(long.slice(0, 80)));
  });

  test.each(["container", "target"])("can't have a runtime of its own: the %s", (which) => {
    const annotations = { "guestd.runtime": "runc" };
    const own = which === "container" ? specOf(spec.linux, { annotations }) : spec;
    const message = "debug container app: unsupported with guestd.runtime";
    expect(() => joinTarget(own, request, target({}, undefined, which === "target" ? annotations : {}))).toThrow(
      expect.objectContaining({ kind: "invalid-argument", message }),
    );
  });
});
