import { expect, test } from "vitest";
import { services } from "../../proto/gen/services.js";
import { AgentError } from "../kernel/error.ts";
import { ANSWER_ROOM, type Handler } from "./dispatch.ts";
import type { Agent } from "./rpc.ts";
import { serviceTable } from "./table.ts";

const call = {
  signal: new AbortController().signal,
  metadata: new Map<string, string>(),
  peer: "unix",
  onSettled: () => undefined,
};
const policy = {
  check(_call: string, name: string) {
    if (name !== "StartContainerRequest") throw new AgentError("permission-denied", `${name} is blocked by policy: x`);
  },
};
const table = serviceTable({ version: "1.2.3", policy } as unknown as Agent);

function handler(service: string, method: string): Handler {
  const found = table.find(service, method);
  if (typeof found === "string") throw new Error(found);
  return found;
}

test("every method of the contract has a handler", () => {
  const listed = Array.from(table.list(), ({ service, method }) => `${service}/${method}`);
  const wanted = Object.entries(services).flatMap(([service, methods]) =>
    Object.keys(methods).map((method) => `${service}/${method}`),
  );
  expect(listed).toEqual(wanted);
  for (const { service, method } of table.list()) expect(table.find(service, method)).toBeTypeOf("function");
});

test("an unknown service and an unknown method are distinguished", () => {
  expect(table.find("grpc.Nope", "Check")).toBe("no-service");
  expect(table.find("grpc.Health", "Nope")).toBe("no-method");
  expect(table.find("toString", "x")).toBe("no-service");
});

test("bytes that are no request are refused before anything happens", async () => {
  const answer = handler("grpc.AgentService", "StartContainer")(Uint8Array.of(0x0a, 0xff), call);
  await expect(answer).rejects.toThrow("decode grpc.StartContainerRequest");
});

test("a request is decoded and its response encoded", async () => {
  const bytes = await handler("grpc.Health", "Version")(new Uint8Array(), call);
  const method = services["grpc.Health"].Version;
  expect(method.response.decode(bytes.subarray(ANSWER_ROOM))).toMatchObject({
    agent_version: "1.2.3",
    grpc_version: "0.0.1",
  });
});

test("a denied call does nothing, a denied read returns no data, and health calls are always allowed", async () => {
  const denied = handler("grpc.AgentService", "ExecProcess")(new Uint8Array(), call);
  await expect(denied).rejects.toThrow("ExecProcessRequest is blocked by policy: x");
  for (const method of ["ReadStdout", "ReadStderr"]) {
    expect(await handler("grpc.AgentService", method)(new Uint8Array(), call)).toHaveLength(ANSWER_ROOM);
  }
  await handler("grpc.Health", "Check")(new Uint8Array(), call);
});

test("a call is logged with its container and exec, by ids of up to 256 characters", async () => {
  const { request } = services["grpc.AgentService"].ExecProcess;
  for (const [length, told] of [
    [256, "x".repeat(256)],
    [257, undefined],
  ] as const) {
    const noted: { container?: string; exec?: string } = {};
    const payload = request.encode({ container_id: "x".repeat(length), exec_id: "x".repeat(length) });
    await expect(handler("grpc.AgentService", "ExecProcess")(payload, Object.assign(noted, call))).rejects.toThrow();
    expect([noted.container, noted.exec]).toEqual([told, told]);
  }
});
