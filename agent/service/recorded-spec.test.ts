import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { beforeAll, expect, test } from "vitest";
import { grpc } from "../../proto/gen/messages.js";
import { checkSpec } from "../container/plan/check-spec.ts";
import { checkProcess } from "../container/process/check-process.ts";
import { podNamespaces } from "../sandbox/pod-namespaces.ts";
import { toProcess, unsupportedOfProcess } from "./oci-process.ts";
import { toSpec } from "./oci-spec.ts";

const directory = join(import.meta.dirname, "../../test/recordings");
const proto = join(import.meta.dirname, "../../proto");
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : join(proto, target));
beforeAll(() => root.load("agent.proto", { keepCase: true }));

/** The requests of one call that real shims sent, as bytes. */
function* requests(method: string): Generator<[file: string, bytes: Uint8Array]> {
  const type = root.lookupType(`grpc.${method}Request`);
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".jsonl"))) {
    for (const line of readFileSync(join(directory, file), "utf8").trim().split("\n")) {
      const { call, request } = JSON.parse(line) as { call?: string; request?: object };
      if (call?.endsWith(`/${method}`)) yield [file, type.encode(type.fromObject(request ?? {})).finish()];
    }
  }
}

test("every container that real shims were recorded to ask for is carried whole", () => {
  let count = 0;
  for (const [file, bytes] of requests("CreateContainer")) {
    const spec = toSpec(grpc.CreateContainerRequest.decode(bytes).OCI);
    const namespaces = podNamespaces(spec.linux.namespaces, { sharePid: false, pidPath: undefined });
    expect(() => checkSpec({ ...spec, linux: { ...spec.linux, namespaces } }), file).not.toThrow();
    count += 1;
  }
  expect(count).toBeGreaterThanOrEqual(9);
});

test("so is every exec", () => {
  let count = 0;
  for (const [file, bytes] of requests("ExecProcess")) {
    const { process } = grpc.ExecProcessRequest.decode(bytes);
    if (process === null) throw new Error(`${file}: an exec without a process`);
    expect(unsupportedOfProcess(process), file).toEqual([]);
    expect(() => checkProcess(toProcess(process)), file).not.toThrow();
    count += 1;
  }
  expect(count).toBeGreaterThanOrEqual(9);
});

test("a recorded container has its arguments, user, mounts and limits", () => {
  const [, bytes] = [...requests("CreateContainer")].find(([file]) => file === "run.jsonl") ?? [];
  const spec = toSpec(grpc.CreateContainerRequest.decode(bytes ?? new Uint8Array()).OCI);
  expect(spec).toMatchObject({
    process: { terminal: false, user: { uid: 0, gid: 0 }, cwd: "/", noNewPrivileges: true },
    linux: { cgroupsPath: "/default/c1", resources: { cpu: { shares: 1024 } } },
  });
  expect(spec.process.args.slice(0, 2)).toEqual(["/bin/sh", "-c"]);
  expect(spec.process.rlimits).toEqual([{ type: "RLIMIT_NOFILE", soft: 1024n, hard: 1024n }]);
  expect(spec.mounts.map(({ destination }) => destination)).toContain("/dev/pts");
});
