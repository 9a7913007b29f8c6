import type protobuf from "protobufjs";
import { expect, test } from "vitest";
import { callType } from "../../host/conversation/format/call-types.ts";
import { decodeJson, encodeJson, type JsonMessage } from "../../host/conversation/format/message-json.ts";
import type { AnyMethod } from "../../proto/method.ts";
import { methodOf, readRecording, recordings } from "../recordings/read-recording.ts";

/** Compares our codec with protobufjs's reflection, in both directions. */
function roundTrip(codec: AnyMethod["request"], type: protobuf.Type, json: JsonMessage): void {
  const wire = encodeJson(type, json);
  expect(decodeJson(type, wire)).toEqual(json);

  const again = codec.encode(codec.decode(wire) as never);
  expect(decodeJson(type, again)).toEqual(json);
}

test("the repository has recordings", () => expect(recordings).toHaveLength(9));

test.each(recordings)("every message of %s survives decoding and encoding", (name) => {
  let seen = 0;
  for (const entry of readRecording(name)) {
    if ((entry.kind !== "request" && entry.kind !== "response") || entry.message === undefined) continue;
    const type = callType(entry.service, entry.method);
    if (type === undefined) throw new Error(`line ${entry.line}: no such call`);
    roundTrip(methodOf(entry.service, entry.method)[entry.kind], type[entry.kind], entry.message);
    seen++;
  }
  expect(seen).toBeGreaterThan(5);
});
