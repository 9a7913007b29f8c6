import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Listener, listenUnix } from "../../agent/kernel/sys/listeners.ts";
import type { ServiceTable } from "../../agent/service/dispatch.ts";
import { connect } from "../../host/client/agent-client.ts";
import { agentService, health } from "../../proto/gen/services.js";
import { answer } from "./testing/answer.ts";
import { createServer } from "./testing/serve.ts";

const address = `unix://@guestd-agent-client-${process.pid}`;

/** A service with three methods, one of which answers with bytes that are not its message. */
const table: ServiceTable = {
  find(_service, method) {
    if (method === "Check") return async () => answer(health.Check.response.encode({ status: 1 }));
    if (method === "Version") return async () => answer(Buffer.of(255));
    if (method !== "WriteStdin") return "no-method";
    const { request, response } = agentService.WriteStdin;
    return async (payload) => answer(response.encode({ len: request.decode(payload).data.length }));
  },
  mayRepeat: () => false,
  mayGoOn: () => false,
  *list() {
    for (const method of ["Check", "Version"]) yield { service: "grpc.Health", method };
    yield { service: "grpc.AgentService", method: "WriteStdin" };
  },
};

const rpc = createServer(table);
let listener: Listener;
beforeAll(() => {
  listener = listenUnix(address.replace("unix://", ""), (fd) => void rpc.accept(fd));
});
afterAll(async () => {
  rpc.destroy();
  await listener.close();
});

describe.each(["ttrpc", "grpc"] as const)("an agent client over %s", (protocol) => {
  test("calls the methods of both services with their own messages", async () => {
    await using client = await connect(address, { protocol });
    expect((await client.health.check({})).status).toBe(1);
    const data = Buffer.from("12345");
    expect((await client.agent.writeStdin({ container_id: "c", data }, { timeoutMs: 50_000 })).len).toBe(5);
    expect(Object.keys(client.agent)).toHaveLength(Object.keys(agentService).length);
  });

  test("throws only RpcErrors", async () => {
    await using client = await connect(address, { protocol });
    await expect(client.agent.createContainer({})).rejects.toMatchObject({ name: "RpcError", kind: "unimplemented" });
    await expect(client.health.version({})).rejects.toMatchObject({
      name: "RpcError",
      kind: "internal",
      message: expect.stringContaining("/grpc.Health/Version: decode grpc.VersionCheckResponse of 1 bytes"),
    });
  });
});
