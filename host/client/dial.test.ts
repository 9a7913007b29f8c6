import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dial } from "./dial.ts";

let directory: string;
let listener: Server | undefined;
let accepted: Socket[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-dial-"));
  accepted = [];
});

afterEach(async () => {
  for (const socket of accepted) socket.destroy();
  await new Promise<void>((resolve) => (listener === undefined ? resolve() : listener.close(() => resolve())));
  listener = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** Listens as a VMM that runs `serve` for each connection. Returns its address for port 1024. */
async function vmm(serve: (socket: Socket) => void, path = join(directory, "vm.sock")): Promise<string> {
  listener = createServer((socket) => {
    accepted.push(socket);
    serve(socket);
  });
  await new Promise<void>((resolve) => listener?.listen(path, resolve));
  return `hvsock://${path}:1024`;
}

describe("hybrid vsock", () => {
  test("requests the port, and keeps the bytes after the answer line", async () => {
    const requested: string[] = [];
    const address = await vmm((socket) =>
      socket.once("data", (line: Buffer) => {
        requested.push(line.toString());
        socket.end("OK 1073741824\nfirst bytes of the guest");
      }),
    );
    const stream = await dial(address);
    expect(requested).toEqual(["CONNECT 1024\n"]);
    expect(await text(stream)).toBe("first bytes of the guest");
  });

  test("accepts an answer line in pieces, and bytes that arrive later", async () => {
    const address = await vmm(async (socket) => {
      for (const piece of ["O", "K 1", "2\n", "x", "yz"]) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      socket.end();
    });
    expect(await text(await dial(address))).toBe("xyz");
  });

  test("fails if the VMM answers anything but OK", async () => {
    const address = await vmm((socket) => socket.end("ERR no such port\n"));
    await expect(dial(address)).rejects.toThrow(`dial ${address}: the VMM answered "ERR no such port" to CONNECT 1024`);
  });

  test("fails if the VMM closes the connection, as it does when the guest has no listener", async () => {
    const address = await vmm((socket) => socket.once("data", () => socket.end()));
    await expect(dial(address)).rejects.toThrow("check that the guest listens on the port");
  });

  test("fails if the answer line never ends", async () => {
    const address = await vmm((socket) => socket.write("x".repeat(300)));
    await expect(dial(address)).rejects.toThrow("256 bytes without a line end");
  });

  test("fails after the time limit without an answer, and closes the connection", async () => {
    const address = await vmm(() => {});
    await expect(dial(address, { timeoutMs: 30 })).rejects.toThrow(`dial ${address}: no answer in time`);
    await expect.poll(() => accepted.length).toBe(1);
    accepted[0]?.resume();
    await expect.poll(() => accepted[0]?.destroyed).toBe(true);
  });

  test("rejects when the caller's signal aborts", async () => {
    const address = await vmm(() => {});
    const controller = new AbortController();
    const dialled = dial(address, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 10);
    await expect(dialled).rejects.toThrow("enough");
  });
});

test("dials an abstract name", async () => {
  const name = `guestd-dial-${process.pid}`;
  await vmm((socket) => socket.end("hi"), `\0${name}`);
  expect(await text(await dial(`unix://@${name}`))).toBe("hi");
});

test("names the address and the reason if the socket does not exist", async () => {
  const path = join(directory, "none.sock");
  await expect(dial(`unix://${path}`)).rejects.toThrow(`dial unix://${path}: connect ENOENT`);
});

test("dials vsock with the caller's function", async () => {
  const stream = new Duplex();
  const requested: number[] = [];
  const dialVsock = async (cid: number, port: number) => {
    requested.push(cid, port);
    return stream;
  };
  expect(await dial("vsock://3:1024", { dialVsock })).toBe(stream);
  expect(requested).toEqual([3, 1024]);
});
