import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import { type grpc, guestd, ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FRAME_REQUEST } from "../../proto/ttrpc-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { residentMib } from "./testing/resident-mib.ts";

const EQUAL = "SCMP_CMP_EQ";
const LINUX = ociSpec("/", ["true"]).Linux;

function list<T>(length: number, make: (index: number) => T): T[] {
  return Array.from({ length }, (_, index) => make(index));
}

/** The most that a host can send in a message of 4 MiB and 131,072 fields. */
const SPECS: readonly (readonly [name: string, spec: Init<grpc.Spec>, refusal: string])[] = [
  [
    "mounts, read-only and in memory",
    { Mounts: list(18_000, (at) => ({ destination: `/tmp/a${at}`, source: "tmpfs", type: "tmpfs", options: ["ro"] })) },
    "mounts has 18000 entries, more than 4096",
  ],
  [
    "device nodes",
    { Linux: { ...LINUX, Devices: list(12_000, (at) => ({ Path: `/dev/a${at}`, Type: "c", Major: 1, Minor: 3 })) } },
    "linux.devices has 12000 entries, more than 4096",
  ],
  [
    "conditions of a seccomp filter",
    {
      Linux: {
        ...LINUX,
        Seccomp: {
          DefaultAction: "SCMP_ACT_ALLOW",
          Architectures: ["SCMP_ARCH_X86_64"],
          Syscalls: list(2000, (at) => ({
            Names: ["openat"],
            Action: "SCMP_ACT_ERRNO",
            Args: list(6, (Index) => ({ Index, Value: String(at * 7 + Index), ValueTwo: "0", Op: EQUAL })),
          })),
        },
      },
    },
    "exceeds the limit of 4096 conditions",
  ],
];

describeInNamespaces("work that takes the agent long", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let other: Awaited<ReturnType<typeof machine.connect>>;
  let agent: number;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    other = await machine.connect();
    agent = await machine.agentPid();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await other.close();
    await pod.client.close();
    await machine[Symbol.asyncDispose]();
  });

  it.each(SPECS)("is refused in advance: many %s", async (_name, spec, refusal) => {
    await expect(pod.create(["true"], spec)).rejects.toThrow(refusal);
    expect(await machine.agentPid()).toBe(agent);
  });

  /** Sends the calls over the socket, and reads no response. */
  const protocols: readonly (readonly [string, (socket: Socket, payload: Buffer, count: number) => void])[] = [
    [
      "ttRPC",
      (socket, payload, count) => {
        const body = ttrpc.Request.encode({ service: "guestd.v1.Guest", method: "Explain", payload }).finish();
        const frame = (streamId: number) =>
          Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_REQUEST, flags: 0 }), body]);
        socket.pause().write(Buffer.concat(list(count, (at) => frame(2 * at + 1))));
      },
    ],
    [
      "gRPC",
      (socket, payload, count) => {
        const settings = { initialWindowSize: 0 };
        const session = connectHttp2("http://agent", { createConnection: () => socket, settings });
        session.on("error", () => undefined);
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(payload.length, 1);
        const headers = { ":method": "POST", ":path": "/guestd.v1.Guest/Explain", "content-type": "application/grpc" };
        for (let sent = 0; sent < count; sent++) {
          const stream = session.request({ ...headers, te: "trailers" });
          stream.on("error", () => undefined).end(Buffer.concat([prefix, payload]));
        }
      },
    ],
  ];

  it.each(protocols)(
    "yields to other calls: sixty calls at once, with 3 MiB of unread response each, over %s",
    async (_name, send) => {
      const MaskedPaths = list(30_000, (at) => `/proc/${"x".repeat(40)}${at}`);
      const container = await pod.create(["true"], { Linux: { ...LINUX, MaskedPaths } });
      const before = residentMib(agent);
      const socket = connect(machine.address.replace("unix://", ""));
      sockets.push(socket);
      send(socket, Buffer.from(guestd.v1.ExplainRequest.encode({ container_id: container }).finish()), 60);
      for (let tries = 0; tries < 10; tries++) {
        await other.health.check({}, { timeoutMs: 30_000 });
        await sleep(100);
      }
      expect(residentMib(agent) - before).toBeLessThan(100);
      expect(machine.console()).not.toContain("has not answered");
      socket.destroy();
      await pod.remove(container);
    },
  );
});
