import fc from "fast-check";
import { expect, test } from "vitest";
import { callType } from "./call-types.ts";
import { decodeJson, encodeJson } from "./message-json.ts";

function typesOf(service: string, method: string) {
  const type = callType(service, method);
  if (type === undefined) throw new Error(`no ${method}`);
  return type;
}

const stats = typesOf("grpc.AgentService", "StatsContainer").response;
const create = typesOf("grpc.AgentService", "CreateContainer").request;
const write = typesOf("grpc.AgentService", "WriteStdin").request;

test("64-bit integers, bytes, maps and enums survive exactly", () => {
  const usage = { usage: "18446744073709551615", limit: "9007199254740993" };
  const json = { cgroup_stats: { memory_stats: { usage, stats: { cache: "1", __proto__x: "2" } } } };
  expect(decodeJson(stats, encodeJson(stats, json))).toEqual(json);
  const storages = [{ driver: "blk", fs_group: { group_id: 1, group_change_policy: "OnRootMismatch" } }];
  expect(decodeJson(create, encodeJson(create, { storages }))).toEqual({ storages });
});

test("any bytes survive", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      const data = Buffer.from(bytes).toString("base64");
      expect(decodeJson(write, encodeJson(write, { data }))).toEqual({ data });
    }),
  );
});

test("unknown fields of nested messages survive as base64", () => {
  // Field 100, a varint, in the message, and in its field OCI.
  const unknown = Buffer.from([0xa0, 0x06, 0x2a]);
  const bytes = Buffer.concat([Buffer.from([0x0a, 1, 0x63, 0x32, 3]), unknown, unknown]);
  const json = decodeJson(create, bytes);
  expect(json).toEqual({ container_id: "c", OCI: { $unknown: ["oAYq"] }, $unknown: ["oAYq"] });
  expect(Buffer.from(encodeJson(create, json))).toEqual(bytes);
});

test("a message of more fields than an agent takes is not decoded", () => {
  const many = Buffer.alloc(2 * ((1 << 17) + 1), Buffer.from([0x48, 1]));
  expect(() => decodeJson(create, many)).toThrow("more than 131072 fields");
});

test.each([
  [{ container: "c" }, "CreateContainerRequest.container: CreateContainerRequest has no such field"],
  [{ container_id: 3 }, "CreateContainerRequest.container_id: not a string"],
  [{ storages: {} }, "CreateContainerRequest.storages: not a list"],
  [{ storages: [{ fs_group: { group_change_policy: "Never" } }] }, 'FSGroupChangePolicy has no value "Never"'],
  [{ OCI: { Process: { Rlimits: [{ Hard: "1.5" }] } } }, "OCI.Process.Rlimits.Hard: not a whole number"],
  [{ OCI: { Annotations: [] } }, "CreateContainerRequest.OCI.Annotations: not an object"],
])("refuses %j and names the field", (json, message) => {
  expect(() => encodeJson(create, json)).toThrow(message);
});

test("names of objects' own properties are no calls", () => {
  const calls = [
    ["grpc.AgentService", "constructor"],
    ["grpc", "AgentService"],
    ["", "Check"],
    ["Health", "Check"],
  ] as const;
  for (const [service, method] of calls) expect(callType(service, method), `${service}/${method}`).toBeUndefined();
});
