import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { InitClient } from "../../../agent/kernel/init/init-client.ts";
import { openInit } from "../../../agent/kernel/init/open-init.ts";
import type { Fd } from "../../../agent/kernel/kernel.ts";
import { nativeAddon } from "../../../agent/kernel/sys/native-addon.ts";
import { openSys, type RealSys } from "../../../agent/kernel/sys/sys.ts";
import { makeWorkDirectory, WORK } from "../../clean-up/work-directory.ts";
import { compileC } from "../../testing/compile-c.ts";
import { type RunningInit, startInit } from "./harness.ts";

/** Shared by the whole process: libuv lets only one poll handle wait on a descriptor. */
export const sys: RealSys = openSys();

/** An init whose agent is a stand-in that passes its socket to this process each time it starts. */
export interface RelayedInit extends AsyncDisposable {
  readonly running: RunningInit;
  /** Directory at the same path for this process and for init; removed at the end. */
  readonly shared: string;
  /** Resolves with the raw socket of the next agent that init starts. The caller owns it. */
  nextSocket(): Promise<Fd>;
  /** Resolves with a client on the next agent's socket that has read the greeting. */
  nextAgent(): Promise<InitClient>;
}

export async function startRelayedInit(
  options: { init?: string; env?: Record<string, string> } = {},
): Promise<RelayedInit> {
  const relay = buildRelay();
  const shared = makeWorkDirectory("init");
  const path = join(shared, "relay.sock");
  const addon = nativeAddon();
  const listener = addon.unixSocket();
  const code = addon.bindUnix(listener, path) || addon.listen(listener, 16);
  if (code < 0) throw new Error(`listen on ${path}: errno ${-code}`);
  const running = startInit({
    agentCommand: [relay],
    env: { GUESTD_TEST_RELAY: path, ...options.env },
    init: options.init,
  });
  const clients: InitClient[] = [];
  const nextSocket = async () => {
    await sys.poll(listener, "read", AbortSignal.timeout(50_000)).catch((error: unknown) => {
      throw new Error(`no agent within 50 s; its console: ${running.console()}`, { cause: error });
    });
    const connection = addon.accept(listener);
    await sys.poll(connection, "read", AbortSignal.timeout(50_000));
    const [socket] = sys.receiveMessage(connection, new Uint8Array(1))?.fds ?? [];
    sys.close(connection);
    if (socket === undefined) throw new Error("the relay sent no descriptor");
    return socket;
  };
  const stop = async () => {
    for (const client of clients) client.close();
    await running.kill();
    sys.close(listener);
    rmSync(shared, { recursive: true, force: true });
    const complaint = running.console().match(/(AddressSanitizer|runtime error).*/s)?.[0];
    if (complaint !== undefined) throw new Error(`a sanitizer complained: ${complaint}`);
  };
  return {
    running,
    shared,
    nextSocket,
    async nextAgent() {
      const client = await openInit(sys, String(await nextSocket()));
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Builds the stand-in once, and again when its source changes. Returns its path. */
function buildRelay(): string {
  const source = join(import.meta.dirname, "relay.c");
  const relay = join(WORK, "relay");
  if (existsSync(relay) && statSync(relay).mtimeMs > statSync(source).mtimeMs) return relay;
  compileC([source], relay);
  return relay;
}
