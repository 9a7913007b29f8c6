import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import type { PortForward } from "../../vm/port-forward.ts";
import { publishPorts } from "./publish-ports.ts";

const LOOPBACK = "127.0.0.1";
/** Stands for a guest's address. */
const GUEST = "127.0.0.9";

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, LOOPBACK), "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function forward(protocol: PortForward["protocol"], guestPort: number): Promise<PortForward> {
  return { protocol, address: LOOPBACK, hostPort: await freePort(), guestPort };
}

async function echoServer(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
  onTestFinished(() => void server.close());
  await once(server.listen(0, GUEST), "listening");
  return (server.address() as AddressInfo).port;
}

test("forwards both directions of a TCP connection, and its end", async () => {
  const rule = await forward("tcp", await echoServer());
  await using _ports = await publishPorts(GUEST, [rule]);
  const socket = connect({ host: LOOPBACK, port: rule.hostPort, allowHalfOpen: true });
  socket.end("to and fro");
  expect(await text(socket)).toBe("to and fro");
});

test("resets a connection to a port that no process listens on", async () => {
  const rule = await forward("tcp", await freePort());
  await using _ports = await publishPorts(GUEST, [rule]);
  const socket = connect({ host: LOOPBACK, port: rule.hostPort });
  await expect(once(socket, "close")).rejects.toThrow("ECONNRESET");
});

test("resets open connections and frees the ports when it is disposed of", async () => {
  const rule = await forward("tcp", await echoServer());
  const ports = await publishPorts(GUEST, [rule]);
  const socket = connect({ host: LOOPBACK, port: rule.hostPort });
  socket.write("x");
  await once(socket, "data");
  const lost = expect(once(socket, "close")).rejects.toThrow("ECONNRESET");
  await ports[Symbol.asyncDispose]();
  await lost;
  await using _again = await publishPorts(GUEST, [rule]);
});

test("forwards datagrams, and answers to their sender", async () => {
  const server = createSocket("udp4");
  onTestFinished(() => void server.close());
  server.on("message", (datagram, { port, address }) => server.send(`<${datagram}>`, port, address));
  await once(server.bind(0, GUEST), "listening");
  const rule = await forward("udp", server.address().port);
  await using _ports = await publishPorts(GUEST, [rule]);
  const clients = ["one", "two"].map(async (word) => {
    const client = createSocket("udp4");
    onTestFinished(() => void client.close());
    const answer = once(client, "message");
    client.send(word, rule.hostPort, LOOPBACK);
    return String((await answer)[0]);
  });
  expect(await Promise.all(clients)).toEqual(["<one>", "<two>"]);
});

test("names a port in use, and frees those that were open", async () => {
  const taken = createServer();
  onTestFinished(() => void taken.close());
  await once(taken.listen(0, LOOPBACK), "listening");
  const { port: hostPort } = taken.address() as AddressInfo;
  const free = await forward("tcp", 1);
  await expect(publishPorts(GUEST, [free, { ...free, hostPort }])).rejects.toThrow(
    `publish tcp port ${hostPort} of 127.0.0.1: EADDRINUSE; choose another`,
  );
  await using _ports = await publishPorts(GUEST, [free]);
});
