// Replaces the agent in the builder's tests: answers every ttRPC call with an empty response, and Check over gRPC.
import { createServer, type Socket } from "node:net";
import pino from "pino";
import protobuf from "protobufjs/minimal.js";

const HEADER_SIZE = 10;
const RESPONSE = 2;

const log = pino({ base: null, timestamp: false }, pino.destination({ fd: 2, sync: true }));
const address = process.env["KATA_AGENT_SERVER_ADDR"] ?? "";
const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.once("readable", () => {
    const first: unknown = socket.read();
    if (!Buffer.isBuffer(first)) return;
    socket.unshift(first);
    if (first[0] === 0x50) void serveGrpc(socket);
    else serveTtrpc(socket);
  });
});
server.listen(address.replace("unix://", ""), () => log.info({ address }, "listening"));

function serveTtrpc(socket: Socket): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => {
    pending = Buffer.concat([pending, data]);
    while (pending.length >= HEADER_SIZE && pending.length >= HEADER_SIZE + pending.readUInt32BE(0)) {
      const body = protobuf.Writer.create().uint32(18).string("").finish();
      const header = Buffer.from(pending.subarray(0, HEADER_SIZE));
      pending = pending.subarray(HEADER_SIZE + pending.readUInt32BE(0));
      header.writeUInt32BE(body.length, 0);
      header[8] = RESPONSE;
      socket.write(Buffer.concat([header, body]));
    }
  });
}

async function serveGrpc(socket: Socket): Promise<void> {
  const { Server, ServerCredentials } = await import("@grpc/grpc-js");
  const same = (bytes: Buffer) => bytes;
  const method = { path: "/grpc.Health/Check", requestStream: false, responseStream: false };
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const grpc = new Server();
  grpc.addService(
    { check: { ...method, ...codec } },
    { check: (_call: unknown, done: (error: null, value: Buffer) => void) => done(null, Buffer.alloc(0)) },
  );
  grpc.createConnectionInjector(ServerCredentials.createInsecure()).injectConnection(socket);
}
