import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";

test("a client that is closed at once does no harm, and its calls are refused", async () => {
  const [near] = duplexPair();
  const client = new GrpcClient(near);
  await client.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await expect(client.call("grpc.Health", "Check", new Uint8Array())).rejects.toMatchObject({ kind: "unavailable" });
});
