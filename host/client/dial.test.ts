import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
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

/** A VMM's socket: runs `serve` for each connection. Gives its address for port 1024. */
async function vmm(serve: (socket: Socket) => void, path = join(directory, "vm.sock")): Promise<string> {
  listener = createServer((socket) => {
    accepted.push(socket);
    serve(socket);
  });
  await new Promise<void>((resolve) => listener?.listen(path, resolve));
  return `hvsock://${path}:1024`;
}

describe("hybrid vsock", () => {
  test("asks for the port, and loses no byte behind the line", async () => {
    const asked: string[] = [];
    const address = await vmm((socket) =>
      socket.once("data", (line: Buffer) => {
        asked.push(line.toString());
        socket.end("OK 1073741824\nfirst bytes of the guest");
      }),
    );
    const stream = await dial(address);
    expect(asked).toEqual(["CONNECT 1024\n"]);
    expect(await text(stream)).toBe("first bytes of the guest");
  });

  test("takes the line in pieces, and bytes that come later", async () => {
    const address = await vmm(async (socket) => {
      for (const piece of ["O", "K 1", "2\n", "x", "yz"]) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      socket.end();
    });
    expect(await text(await dial(address))).toBe("xyz");
  });

  test("fails when the VMM says something else", async () => {
    const address = await vmm((socket) => socket.end("ERR no such port\n"));
    await expect(dial(address)).rejects.toThrow(`dial ${address}: the VMM answered "ERR no such port" to CONNECT 1024`);
  });

  test("fails when the VMM closes, which is what it does when nothing listens in the guest", async () => {
    const address = await vmm((socket) => socket.once("data", () => socket.end()));
    await expect(dial(address)).rejects.toThrow("does anything listen on the port in the guest?");
  });

  test("fails when no line ends", async () => {
    const address = await vmm((socket) => socket.write("x".repeat(300)));
    await expect(dial(address)).rejects.toThrow("256 bytes without a line end");
  });

  test("fails when nothing comes in time, and closes the connection", async () => {
    const address = await vmm(() => {});
    await expect(dial(address, { timeoutMs: 30 })).rejects.toThrow(`dial ${address}: no answer in time`);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    await new Promise<void>((resolve) => accepted[0]?.resume().once("close", resolve));
  });

  test("stops at the caller's signal", async () => {
    const address = await vmm(() => {});
    const controller = new AbortController();
    const dialled = dial(address, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 10);
    await expect(dialled).rejects.toThrow("enough");
  });
});

test("an abstract name is dialled", async () => {
  const name = `guestd-dial-${process.pid}`;
  await vmm((socket) => socket.end("hi"), `\0${name}`);
  expect(await text(await dial(`unix://@${name}`))).toBe("hi");
});

test("a socket that is not there fails with the address and the reason", async () => {
  const path = join(directory, "none.sock");
  await expect(dial(`unix://${path}`)).rejects.toThrow(`dial unix://${path}: connect ENOENT`);
});

test("vsock may be dialled by a function of the caller's", async () => {
  const stream = new Duplex();
  const asked: number[] = [];
  const dialVsock = async (cid: number, port: number) => {
    asked.push(cid, port);
    return stream;
  };
  expect(await dial("vsock://3:1024", { dialVsock })).toBe(stream);
  expect(asked).toEqual([3, 1024]);
});
