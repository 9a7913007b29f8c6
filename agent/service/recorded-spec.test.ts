import { expect, test } from "vitest";
import { callType } from "../../host/conversation/format/call-types.ts";
import { encodeJson } from "../../host/conversation/format/message-json.ts";
import { grpc } from "../../proto/gen/messages.js";
import { readRecording, recordings, requestsOf } from "../../test/recordings/read-recording.ts";
import { checkSpec } from "../container/plan/check-spec.ts";
import { checkProcess } from "../container/process/check-process.ts";
import { podNamespaces } from "../sandbox/pod-namespaces.ts";
import { toProcess, unsupportedOfProcess } from "./oci-process.ts";
import { toSpec } from "./oci-spec.ts";

/** The requests of one call that real shims sent, as bytes. */
function* requests(method: string): Generator<[recording: string, bytes: Uint8Array]> {
  const type = callType("grpc.AgentService", method)?.request;
  if (type === undefined) throw new Error(`no method ${method}`);
  for (const name of recordings) {
    for (const message of requestsOf(readRecording(name), method)) yield [name, encodeJson(type, message)];
  }
}

test("every recorded container of real shims is converted completely", () => {
  let count = 0;
  for (const [name, bytes] of requests("CreateContainer")) {
    const spec = toSpec(grpc.CreateContainerRequest.decode(bytes).OCI);
    const namespaces = podNamespaces(spec.linux.namespaces, { sharePid: false, pidPath: undefined });
    expect(() => checkSpec({ ...spec, linux: { ...spec.linux, namespaces } }), name).not.toThrow();
    count += 1;
  }
  expect(count).toBeGreaterThanOrEqual(9);
});

test("every recorded exec of real shims is converted completely", () => {
  let count = 0;
  for (const [name, bytes] of requests("ExecProcess")) {
    const { process } = grpc.ExecProcessRequest.decode(bytes);
    if (process === null) throw new Error(`${name}: an exec without a process`);
    expect(unsupportedOfProcess(process), name).toEqual([]);
    expect(() => checkProcess(toProcess(process)), name).not.toThrow();
    count += 1;
  }
  expect(count).toBeGreaterThanOrEqual(9);
});

test("a recorded container has its arguments, user, mounts and limits", () => {
  const [, bytes] = [...requests("CreateContainer")].find(([name]) => name === "run") ?? [];
  const spec = toSpec(grpc.CreateContainerRequest.decode(bytes ?? new Uint8Array()).OCI);
  expect(spec).toMatchObject({
    process: { terminal: false, user: { uid: 0, gid: 0 }, cwd: "/", noNewPrivileges: true },
    linux: { cgroupsPath: "/default/c1", resources: { cpu: { shares: 1024 } } },
  });
  expect(spec.process.args.slice(0, 2)).toEqual(["/bin/sh", "-c"]);
  expect(spec.process.rlimits).toEqual([{ type: "RLIMIT_NOFILE", soft: 1024n, hard: 1024n }]);
  expect(spec.mounts.map(({ destination }) => destination)).toContain("/dev/pts");
});
