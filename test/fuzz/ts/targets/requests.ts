import { AgentError } from "../../../../agent/kernel/error.ts";
import { ANSWER_ROOM } from "../../../../agent/service/dispatch.ts";
import { toStatus } from "../../../../agent/service/status.ts";
import { serviceTable } from "../../../../agent/service/table.ts";
import { DecodeError } from "../../../../proto/codec.ts";
import { agentService, services } from "../../../../proto/gen/services.js";
import { type FuzzTarget, promise, refuses } from "../target.ts";
import { playedAgent } from "./played-agent.ts";
import { seedSpec } from "./seed-spec.ts";

const table = serviceTable(playedAgent());
/** Calls that would change this machine before they reach the agent's stand-ins. */
const LEFT_OUT = new Set([
  "OnlineCPUMem",
  "MemHotplugByProbe",
  "ReseedRandomDev",
  "SetGuestDateTime",
  "AddSwap",
  "AddSwapPath",
]);
const calls = Object.entries(services).flatMap(([service, methods]) =>
  Object.keys(methods)
    .filter((method) => !LEFT_OUT.has(method))
    .map((method) => ({ service, method })),
);

/** Encodes a seed: the number of the call in the first byte, then its request. */
const seed = (method: keyof typeof agentService, payload: Uint8Array) =>
  Buffer.concat([Buffer.of(calls.findIndex((call) => call.method === method)), payload]);

export const requests: FuzzTarget = {
  name: "requests",
  promise:
    "a call with any bytes is answered with an encoded response, or refused with one line that names the mistake",
  seeds: () => [
    ...calls.map((_, index) => Buffer.of(index, 10, 1, 99)),
    seed("CreateContainer", agentService.CreateContainer.request.encode({ container_id: "c", OCI: seedSpec })),
    seed(
      "ExecProcess",
      agentService.ExecProcess.request.encode({
        container_id: "c",
        exec_id: "e",
        process: seedSpec.Process,
        string_user: { uid: "a" },
      }),
    ),
    seed(
      "UpdateContainer",
      agentService.UpdateContainer.request.encode({ container_id: "c", resources: seedSpec.Linux.Resources }),
    ),
    seed(
      "CreateSandbox",
      agentService.CreateSandbox.request.encode({
        hostname: "h",
        dns: ["nameserver 1.1.1.1"],
        sandbox_id: "s",
        storages: [{ driver: "ephemeral", fstype: "tmpfs", mount_point: "/run/x", options: ["size=1m"] }],
        kernel_modules: [{ name: "m", parameters: ["a=1"] }],
      }),
    ),
    seed(
      "UpdateInterface",
      agentService.UpdateInterface.request.encode({
        interface: {
          device: "eth0",
          name: "eth0",
          mtu: 1500,
          hwAddr: "02:00:00:00:00:01",
          IPAddresses: [{ address: "10.0.0.2", mask: "24" }],
        },
      }),
    ),
    seed(
      "UpdateRoutes",
      agentService.UpdateRoutes.request.encode({
        routes: { Routes: [{ dest: "10.0.0.0/8", gateway: "10.0.0.1", device: "eth0" }] },
      }),
    ),
    seed(
      "AddARPNeighbors",
      agentService.AddARPNeighbors.request.encode({
        neighbors: {
          ARPNeighbors: [{ toIPAddress: { address: "10.0.0.1" }, device: "eth0", lladdr: "02:00:00:00:00:01" }],
        },
      }),
    ),
    seed("SetPolicy", agentService.SetPolicy.request.encode({ policy: "package agent_policy\ndefault A := true\n" })),
    seed(
      "SetIPTables",
      agentService.SetIPTables.request.encode({ data: Buffer.from("*filter\n-A INPUT -j DROP\nCOMMIT\n") }),
    ),
  ],
  async run(input) {
    const { service, method } = calls[(input[0] ?? 0) % calls.length] ?? { service: "", method: "" };
    const handler = table.find(service, method);
    if (typeof handler === "string") throw new Error(handler);
    const call = { signal: never, metadata: new Map<string, string>(), peer: "fuzz", onSettled: () => undefined };
    try {
      const answer = await handler(input.subarray(1), call);
      const response = (
        services as unknown as Record<string, Record<string, (typeof services)["grpc.Health"]["Check"]>>
      )[service]?.[method]?.response;
      response?.decode(answer.subarray(ANSWER_ROOM));
    } catch (error) {
      const status = toStatus(error);
      promise(!/[\n\r]/.test(status.message) && status.message.length <= 4096, "a status is one line");
      refuses(new Error(status.message), Error);
      if (!(error instanceof AgentError || error instanceof DecodeError)) throw error;
    }
  },
};

const never = new AbortController().signal;
