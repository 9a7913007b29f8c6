import { createHash } from "node:crypto";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import type { Random } from "../../lib/seeded-random.ts";
import { randomBytesOf } from "../../lib/seeded-random.ts";

const MOST_BYTES = 100_000;

/**
 * Source of a function that returns an HTTP server in plain Node. The answer to a POST is the number of its connection and the
 * SHA-256 of its body. The server never closes a connection by itself, so that a client loses none while no agent runs.
 */
export const KEEP_ALIVE_SERVER = `(handle) => {
  let connections = 0;
  const server = require("http").createServer((request, response) => {
    if (request.method !== "POST") return handle(request, response);
    const sum = require("crypto").createHash("sha256");
    request.on("data", (data) => sum.update(data));
    request.on("end", () => response.end(request.socket.number + " " + sum.digest("hex")));
  });
  server.keepAliveTimeout = 0;
  return server.on("connection", (socket) => (socket.number = ++connections));
}`;

export interface KeptConnections {
  readonly requests: number;
  /** Connections that the server has seen. */
  readonly connections: number;
}

/**
 * Sends random bodies over `parallel` kept connections while `isWanted` holds. Rejects at the client's first error, or at a wrong
 * answer.
 */
export async function postWhile(
  port: number,
  random: Random,
  parallel: number,
  isWanted: () => boolean,
): Promise<KeptConnections> {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  const numbers = new Set<string>();
  let requests = 0;
  const post = (body: Buffer) =>
    new Promise<string>((resolve, reject) => {
      const sent = request({ agent, method: "POST", host: "127.0.0.1", port }, (response) => {
        text(response).then(resolve, reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  const work = async () => {
    do {
      const body = randomBytesOf(random, Math.floor(random() * MOST_BYTES));
      const [number = "", hash] = (await post(body)).split(" ");
      if (hash !== createHash("sha256").update(body).digest("hex"))
        throw new Error(`request ${requests}: wrong answer`);
      numbers.add(number);
      requests++;
    } while (isWanted());
  };
  try {
    await Promise.all(Array.from({ length: parallel }, work));
  } finally {
    agent.destroy();
  }
  return { requests, connections: numbers.size };
}
