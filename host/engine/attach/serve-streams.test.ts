import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { serveStreams } from "./serve-streams.ts";

test("a signal ends a command at once while no connection is open, as with a guest that is stopped", async () => {
  using folder = temporaryDirectory();
  const path = join(folder.path, "vm.vsock");
  // A VMM that accepts and answers nothing.
  const server = createServer().listen(path);
  await once(server, "listening");
  using interrupts = new Interrupts();
  const serving = serveStreams(
    { address: `hvsock://${path}:1028` },
    { container: "web", exec: "x" },
    { name: "exec x in container web", stdin: "leave", interrupts },
  );
  const [socket] = await once(server, "connection");
  process.emit("SIGTERM");
  const error = await serving.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Interrupted);
  expect(error).toHaveProperty("exitCode", 143);
  await once(socket.resume(), "close");
  server.close();
});
