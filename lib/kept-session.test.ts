import { once } from "node:events";
import { connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { nativeHandle } from "./kept-session.ts";

test("this Node has the native part of an open session under the name that is looked for", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(session, "connect");
  expect(nativeHandle(session)).toMatchObject({ destroy: expect.any(Function) });
  session.destroy();
  expect(nativeHandle(session)).toBeUndefined();
  server.close();
});
