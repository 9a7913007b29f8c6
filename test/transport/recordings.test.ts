import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { beforeAll, expect, test } from "vitest";
import { services } from "../../proto/gen/services.js";
import type { AnyMethod } from "../../proto/method.ts";

/**
 * One line of a recording: a message from an unmodified Kata shim to the reference agent, or from the agent to the
 * shim.
 */
interface Line {
  readonly call?: string;
  readonly answers?: string;
  readonly request?: Record<string, unknown>;
  readonly response?: Record<string, unknown>;
}

const directory = join(import.meta.dirname, "../recordings");
const proto = join(import.meta.dirname, "../../proto");
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : join(proto, target));
beforeAll(() => root.load(["agent.proto", "health.proto"], { keepCase: true }));

const methods = new Map<string, AnyMethod>(
  Object.entries(services).flatMap(([service, table]) =>
    Object.entries(table).map(([name, method]): [string, AnyMethod] => [`${service}/${name}`, method]),
  ),
);
const byName = new Map([...methods].map(([path, method]) => [path.split("/")[1], method]));

/** Compares our codec with protobufjs's reflection, in both directions. */
function roundTrip(codec: AnyMethod["request"], json: Record<string, unknown>): void {
  const type = root.lookupType(codec.name);
  const wire = type.encode(type.fromObject(json)).finish();
  const options = { longs: String, enums: String, bytes: String };
  expect(type.toObject(type.decode(wire), options)).toEqual(json);

  const again = codec.encode(codec.decode(wire) as never);
  expect(type.toObject(type.decode(again), options)).toEqual(json);
}

const files = readdirSync(directory).filter((name) => name.endsWith(".jsonl"));

test("the repository has recordings", () => expect(files).toHaveLength(9));

test.each(files)("every message of %s survives decoding and encoding", (file) => {
  const lines = readFileSync(join(directory, file), "utf8").trimEnd().split("\n");
  let seen = 0;
  for (const line of lines.map((text) => JSON.parse(text) as Line)) {
    const method = line.call === undefined ? byName.get(line.answers) : methods.get(line.call);
    if (line.request !== undefined && method !== undefined) roundTrip(method.request, line.request);
    if (line.response !== undefined && method !== undefined) roundTrip(method.response, line.response);
    if (line.request !== undefined || line.response !== undefined) {
      expect(method, JSON.stringify(line)).toBeDefined();
      seen++;
    }
  }
  expect(seen).toBeGreaterThan(5);
});
