import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ConnectionBudget } from "./connection-budget.ts";

test("drops the oldest connection without a proof, never one that is known, and counts known ones apart", async () => {
  const server = createServer();
  const budget = new ConnectionBudget(server, { strangers: 2, known: 2 });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const clients: Socket[] = [];
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  const open = async () => {
    const accepted = once(server, "connection");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => undefined);
    clients.push(client);
    const [socket] = (await accepted) as [Socket];
    return socket;
  };
  const first = await open();
  const second = await open();
  expect(budget.admit(first)).toBe(true);
  const third = await open();
  expect([first, second, third].map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
  const fourth = await open();
  expect([first, second, third].map(({ destroyed }) => destroyed)).toEqual([false, true, false]);
  expect([first, third, fourth].map((socket) => budget.admit(socket))).toEqual([true, true, false]);
  third.destroy();
  await once(third, "close");
  expect(budget.admit(fourth)).toBe(true);
});
