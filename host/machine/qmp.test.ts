import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../image/testing/tree.ts";
import { Qmp } from "./qmp.ts";

/** Listens like QEMU, and answers only the first client. */
async function played(path: string): Promise<AsyncDisposable> {
  const clients: Socket[] = [];
  const server = createServer((client) => {
    clients.push(client);
    if (clients.length > 1) return;
    client.write('{"QMP": {}}\n');
    client.on("data", () => client.write('{"return": {}}\n'));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a second client waits, but not without end, and fails in one line when QEMU ends", async () => {
  using work = temporaryDirectory();
  const path = join(work.path, "qmp.sock");
  const server = await played(path);
  await using first = await Qmp.connect(path);
  expect(await first.execute("query-status")).toEqual({});
  await expect(Qmp.connect(path, 20)).rejects.toThrow(/^QEMU's control socket .*serves another client$/);
  const second = Qmp.connect(path).catch((error: Error) => error.message);
  await server[Symbol.asyncDispose]();
  expect(await second).toMatch(/^QEMU's control socket \S+qmp\.sock: /);
  await expect(Qmp.connect(path)).rejects.toThrow(/^QEMU's control socket .*ENOENT/);
});
