import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { checkForwards, type PortForward } from "./port-forward.ts";

const forward = (protocol: PortForward["protocol"], hostPort: number) => {
  return checkForwards([{ protocol, address: "127.0.0.1", hostPort, guestPort: 80 }]);
};

test("names a TCP port in use, and leaves a free one free", async () => {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  await expect(forward("tcp", port)).rejects.toThrow(
    `publish tcp port ${port} of 127.0.0.1: EADDRINUSE; choose another`,
  );
  await new Promise((resolve) => server.close(resolve));
  await forward("tcp", port);
  await forward("tcp", port);
});

test("names a UDP port in use", async () => {
  const socket = createSocket("udp4");
  onTestFinished(() => void socket.close());
  await once(socket.bind(0, "127.0.0.1"), "listening");
  const { port } = socket.address();
  await expect(forward("udp", port)).rejects.toThrow(`publish udp port ${port} of 127.0.0.1: EADDRINUSE`);
});
