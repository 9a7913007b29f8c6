import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../image/testing/tree.ts";
import { Qmp } from "./qmp.ts";

/** Listens like QEMU, and answers only the first client. */
async function played(path: string): Promise<AsyncDisposable & { readonly clients: readonly Socket[] }> {
  const clients: Socket[] = [];
  const server = createServer((client) => {
    clients.push(client);
    if (clients.length > 1) return;
    client.write('{"QMP": {}}\n');
    client.on("data", () => client.write('{"return": {}}\n'));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    clients,
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

test("a signal ends the wait for a stopped QEMU, and a command in progress", async () => {
  using work = temporaryDirectory();
  const path = join(work.path, "qmp.sock");
  await using server = await played(path);
  const stop = new AbortController();
  await using first = await Qmp.connect(path, undefined, stop.signal);
  const waiting = Qmp.connect(path, undefined, stop.signal).catch((error: Error) => error.message);
  await expect.poll(() => server.clients.length).toBe(2);
  stop.abort();
  expect(await waiting).toMatch(/^QEMU's control socket \S+qmp\.sock: /);
  await expect(first.execute("cont")).rejects.toThrow("QEMU cont: ");
});

test("a command in progress when QEMU ends fails, and nothing else does", async () => {
  using work = temporaryDirectory();
  const path = join(work.path, "qmp.sock");
  await using server = await played(path);
  await using qmp = await Qmp.connect(path);
  for (const client of server.clients) client.destroy();
  await expect(qmp.execute("cont")).rejects.toThrow(/^QEMU cont: QEMU closed it/); // its write gets EPIPE
  await expect(qmp.execute("cont")).rejects.toThrow(/^QEMU cont: its control socket is closed$/);
});
