import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { serve, until } from "./testing/serve.ts";

const same = (bytes: Buffer): Buffer => bytes;

/** Makes a unary call with grpc-js's own client. */
function call(client: Client, path: string, payload: string, deadline?: Date): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, answer?: Buffer): void =>
      error === null ? resolve(answer?.toString() ?? "") : reject(error);
    const options = deadline === undefined ? {} : { deadline };
    client.makeUnaryRequest(path, same, same, Buffer.from(payload), options, done);
  });
}

test("the server works with grpc-js's own client: answers, statuses and deadlines", async () => {
  await using served = await serve();
  const client = new Client(`unix:${served.path}`, credentials.createInsecure());
  try {
    expect(await call(client, "/test.Echo/Echo", "hello")).toBe("hello");
    await expect(call(client, "/test.Echo/NotFound", "")).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: "no such thing as this",
    });
    await expect(call(client, "/test.Echo/Nothing", "")).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
    await expect(call(client, "/a.B/Echo", "")).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
    const soon = new Date(Date.now() + 60);
    await expect(call(client, "/test.Echo/Hang", "", soon)).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await until(() => served.table.aborted.length === 1);
  } finally {
    client.close();
  }
});
