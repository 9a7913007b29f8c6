import { expect, test } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { readRecording, recordings, requestsOf, toMessage } from "../../test/recordings/read-recording.ts";
import { ociProcess, ociSpec } from "./oci-spec.ts";

/** Fields whose values differ from container to container. */
const OWN = /^(Process\.)?(Args|Env|Cwd|Terminal)\b|^Root\.Path|^Annotations|^Linux\.CgroupsPath/;

/** Entries of the suite's specs that no host sends. */
const ADDED = [
  // Hosts share the sandbox's memory, and a sandbox that existed before the run may have none.
  "Mounts /dev/shm shm tmpfs nosuid,noexec,nodev,mode=1777,size=65536k",
  "Version 1.2.0",
];

/** Returns one text for each value of a spec; namespaces and capabilities have the Go shim's names. */
function entries(value: unknown, path = ""): string[] {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return [];
  if (path === "Mounts") {
    return (value as grpc.Mount[]).map(({ destination, source, type, options }) =>
      ["Mounts", destination, source, type, options.join()].join(" "),
    );
  }
  if (Array.isArray(value)) return value.flatMap((one) => entries(one, path));
  if (typeof value === "object") {
    return Object.entries(value).flatMap(([name, one]) => entries(one, path === "" ? name : `${path}.${name}`));
  }
  const text = String(value).replace(/^mnt$/, "mount");
  return [`${path} ${path.includes("Capabilities") ? text.replace(/^(CAP_)?/, "CAP_") : text}`];
}

/** Returns the entries that `one` has and `other` lacks. */
function only(one: Init<object>, other: Init<object>): string[] {
  const has = new Set(entries(other));
  return entries(one).filter((entry) => !has.has(entry) && !OWN.test(entry));
}

/** Returns the decoded requests that real shims sent, each with its recording's name. */
function sent<T>(method: string): [recording: string, request: T][] {
  return recordings.flatMap((name) =>
    requestsOf(readRecording(name), method).map((json): [string, T] => [
      name,
      toMessage("grpc.AgentService", method, json) as T,
    ]),
  );
}

test("a container's spec has no field, namespace or mount that a real shim does not send", () => {
  const requests = sent<grpc.CreateContainerRequest>("CreateContainer");
  expect(requests.length).toBeGreaterThanOrEqual(9);
  for (const [name, { OCI }] of requests) {
    const ours = ociSpec("/rootfs", ["true"]);
    expect(only(ours, OCI ?? {}).toSorted(), name).toEqual(ADDED);
    const lacking = only(OCI ?? {}, ours).map((entry) => entry.split(" ")[0]);
    // Host defaults that a case sets where it is about them.
    const left = [
      "Linux.MaskedPaths",
      "Linux.ReadonlyPaths",
      "Linux.Resources.CPU.Shares",
      "Mounts",
      ...["Bounding", "Effective", "Permitted"].map((set) => `Process.Capabilities.${set}`),
      ...["Hard", "Soft", "Type"].map((part) => `Process.Rlimits.${part}`),
      "Version",
    ];
    expect([...new Set(lacking)].toSorted(), name).toEqual(left);
  }
});

test("an exec's process has no field that a real shim does not send", () => {
  const requests = sent<grpc.ExecProcessRequest>("ExecProcess");
  expect(requests.length).toBeGreaterThanOrEqual(9);
  for (const [name, { process }] of requests) expect(only(ociProcess(["true"]), process ?? {}), name).toEqual([]);
});
