import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSys } from "../kernel/sys/sys.ts";
import { createInitDouble } from "../kernel/testing/init-double.ts";
import { apiAddress, hostAddress, listen } from "./listen.ts";
import { attachAddress, streamAddress } from "./listen-streams.ts";
import { readOptions } from "./options.ts";

const sys = openSys();
let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-listen-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Connects to the socket, and says when it was accepted. */
async function reach(path: string, accepted: Promise<void>): Promise<void> {
  const client = connect(path);
  await once(client, "connect");
  await accepted;
  client.destroy();
}

test("a unix socket is served and deposited with init", async () => {
  const init = createInitDouble(sys);
  const path = join(directory, "agent.sock");
  const accepted = Promise.withResolvers<void>();
  const listener = listen(init, `unix://${path}`, (fd) => {
    sys.close(fd);
    accepted.resolve();
  });
  await reach(path, accepted.promise);
  expect(init.calls).toEqual([["deposit", `listener unix://${path}`.slice(0, 100), listener.fd]]);
  await listener.close();
});

test("the next agent takes the socket back, with the connections made meanwhile", async () => {
  const path = join(directory, "agent.sock");
  const init = createInitDouble(sys);
  const first = listen(init, `unix://${path}`, () => undefined);
  const kept = sys.dup(first.fd);
  await first.close();
  expect(existsSync(path)).toBe(true);
  const early = connect(path);
  await once(early, "connect");
  const deposits = new Map([[`listener unix://${path}`.slice(0, 100), kept]]);
  const next = createInitDouble(sys, { greeting: { deposits } });
  const accepted = Promise.withResolvers<void>();
  const second = listen(next, `unix://${path}`, (fd) => {
    sys.close(fd);
    accepted.resolve();
  });
  await accepted.promise;
  expect(next.calls).toEqual([]);
  early.destroy();
  await second.close();
});

test("an unknown scheme is refused with the address in the error", () => {
  expect(() => listen(createInitDouble(sys), "tcp://x", () => undefined)).toThrow("listen on tcp://x: unknown scheme");
});

test("with a channel, the API and every port for the host are unix sockets that are named after ports", () => {
  const { options } = readOptions({ commandLine: "agent.channel=guestd.channel", env: {}, readText: () => "" });
  const folder = "unix:///run/guestd/channel";
  expect([apiAddress(options), hostAddress(options, 1025)]).toEqual([`${folder}/1024`, `${folder}/1025`]);
  expect([streamAddress(options, 1027), attachAddress(options)]).toEqual([`${folder}/1027`, `${folder}/1028`]);
  expect(apiAddress({ ...options, serverAddress: "unix:///other" })).toBe("unix:///other");
  expect(apiAddress({ ...options, channel: "" })).toBe("vsock://-1:1024");
});
