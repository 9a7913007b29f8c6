import { expect, test } from "vitest";
import { GROUPS } from "../../../host/conformance/groups.ts";
import { callType } from "../../../host/conversation/format/call-types.ts";
import { encodeJson } from "../../../host/conversation/format/message-json.ts";
import { agentService, health } from "../../../proto/gen/services.js";
import { readRecording, recordings } from "../../recordings/read-recording.ts";
import { FAULTS } from "./all-faults.ts";

test("there are at least sixty faults, each with its own name, of a call that exists", () => {
  expect(FAULTS.length).toBeGreaterThanOrEqual(60);
  expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
  const calls = new Set([...Object.keys(agentService), ...Object.keys(health), "every call", "connections"]);
  expect(FAULTS.map(({ name }) => name.split(": ")[0] ?? "").filter((call) => !calls.has(call))).toEqual([]);
});

test("each fault has a case of the conformance suite that should catch it", () => {
  const cases = GROUPS.flatMap((group) => group.cases.map(({ name }) => name));
  const without = FAULTS.filter(({ caughtBy }) => !cases.some((name) => caughtBy.test(name)));
  expect(without.map(({ name }) => name)).toEqual([]);
});

/** Encoded requests and responses of the recorded conversations by call, and empty ones. */
function samples(): Map<string, { requests: Uint8Array[]; responses: Uint8Array[] }> {
  const found = new Map<string, { requests: Uint8Array[]; responses: Uint8Array[] }>();
  for (const call of [...Object.keys(agentService), ...Object.keys(health)]) {
    found.set(call, { requests: [new Uint8Array()], responses: [new Uint8Array()] });
  }
  for (const entry of recordings.flatMap(readRecording)) {
    if ((entry.kind !== "request" && entry.kind !== "response") || entry.message === undefined) continue;
    const type = callType(entry.service, entry.method);
    if (type === undefined) continue;
    const list = found.get(entry.method)?.[entry.kind === "request" ? "requests" : "responses"];
    list?.push(encodeJson(type[entry.kind], entry.message));
  }
  return found;
}

const all = samples();

test.each(FAULTS.map((fault) => [fault.name, fault] as const))("takes every recorded message: %s", (_name, fault) => {
  for (const [call, { requests, responses }] of all) {
    const hooks = fault.begin();
    if (hooks.call !== undefined && hooks.call !== call) continue;
    const [sample = new Uint8Array()] = requests;
    for (const payload of requests) {
      hooks.request?.(payload);
      hooks.answer?.(payload, { method: call, metadata: [] });
    }
    for (const payload of responses) hooks.reply?.({ payload }, sample);
    hooks.reply?.({ code: 5, text: "not found" }, sample);
  }
});
