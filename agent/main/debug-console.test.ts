import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { testKernel } from "../container/testing/test-kernel.ts";
import { SystemError } from "../kernel/error.ts";
import type { Sys } from "../kernel/kernel.ts";
import { openSys } from "../kernel/sys/sys.ts";
import type { ChildDouble } from "../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { serveDebugConsole } from "./debug-console.ts";

const real = openSys();
leavesNoDescriptors();

/** The pty is a socketpair; `shell` plays the child and gets the descriptor of its stdio. */
function consoleOf(shell: (child: ChildDouble, stdio: number) => void, sys: Partial<Sys> = {}) {
  const [master, peer] = real.socketPair("stream");
  return testKernel({
    sys: { openTerminal: () => master, terminalPeer: () => peer, terminalNumber: () => 0, ...sys },
    play: (child) => {
      child.executed();
      shell(child, child.slots[1] ?? -1);
    },
  });
}

function client() {
  let shown = "";
  const socket = new Duplex({
    read: () => undefined,
    write(chunk, _encoding, done) {
      shown += chunk;
      done();
    },
  });
  return { socket, shown: () => shown };
}

test("shows what the shell says, and ends with it", async () => {
  const kernel = consoleOf((child, stdio) => {
    real.write(stdio, Buffer.from("# "));
    child.end();
  });
  const { socket, shown } = client();
  await serveDebugConsole(kernel, socket);
  expect([shown(), socket.destroyed]).toEqual(["# ", true]);
});

test("a shell that init has reaped and not told of yet is no error", async () => {
  const kernel = consoleOf(
    (child, stdio) => {
      real.close(stdio);
      Object.assign(child.slots, { 1: -1 });
      setTimeout(() => child.end(), 20);
    },
    {
      signal: () => {
        throw new SystemError("send signal", 3, "");
      },
    },
  );
  await serveDebugConsole(kernel, client().socket);
});

test("a client that hangs up ends the shell", async () => {
  const kernel = consoleOf(() => undefined);
  const { socket } = client();
  const serving = serveDebugConsole(kernel, socket);
  setTimeout(() => socket.destroy(), 10);
  await serving;
  expect(kernel.signals).toEqual([[5000, 9]]);
});

test("says why when there is no shell", async () => {
  const kernel = consoleOf(() => undefined);
  kernel.init.refuse(new Error("no room"));
  const { socket, shown } = client();
  await serveDebugConsole(kernel, socket);
  expect(shown()).toBe("guestd: no debug console: no room\r\n");
});
