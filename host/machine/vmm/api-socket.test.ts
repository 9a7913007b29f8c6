import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { visibleLine } from "../../visible.ts";
import { MachineError } from "../machine-error.ts";
import { type ApiOptions, ApiSocket, type Operation } from "./api-socket.ts";
import { testFolder } from "./testing/vmm-folder.ts";

const PAUSE: Operation = { what: "pause", method: "PUT", path: "/pause", remedy: "start the machine first" };

function api(path: string, options: ApiOptions = {}): ApiSocket {
  return new ApiSocket("VMM", path, (body) => body, options);
}

/** Serves each connection with `answer` and returns the socket's path. */
async function serve(answer: (socket: Socket) => void): Promise<string> {
  const path = join(testFolder(), "api.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    socket.once("data", () => answer(socket));
  });
  server.listen(path);
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

async function failureOf(path: string, options?: ApiOptions): Promise<string> {
  const error = await api(path, options)
    .call(PAUSE)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MachineError);
  const { message } = error as Error;
  expect(visibleLine(message)).toBe(message);
  expect(message).toMatch(/^pause: VMM at \//);
  return message.replace(`pause: VMM at ${path}: `, "");
}

const answered = (text: string) => (socket: Socket) => void socket.end(`HTTP/1.1 ${text}`);

test("returns the JSON of an answer, and undefined for 204", async () => {
  const json = await serve(answered('200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'));
  expect(await api(json).call(PAUSE)).toEqual({ a: 1 });
  const none = await serve(answered("204 No Content\r\n\r\n"));
  expect(await api(none).call(PAUSE)).toBeUndefined();
});

test("reports a socket that doesn't exist, or that isn't served any more", async () => {
  expect(await failureOf("/nonexistent/api.sock")).toBe(
    "no such socket; start the VMM with this API socket, or check the path",
  );
  const file = join(testFolder(), "api.sock");
  writeFileSync(file, "");
  expect(await failureOf(file)).toBe("no process listens on the socket; the VMM has ended, so start it again");
});

test("reports a connection that the VMM closes before, or in the middle of, its answer", async () => {
  const before = await serve((socket) => socket.destroy());
  expect(await failureOf(before)).toBe("no answer, socket hang up; the VMM may have ended, so look at its log");
  const middle = await serve(answered('200 OK\r\nContent-Length: 80\r\n\r\n{"a":'));
  expect(await failureOf(middle)).toBe("no answer, aborted; the VMM may have ended, so look at its log");
});

test("reports a VMM that doesn't answer in time, or stops in the middle", async () => {
  const late = "no answer within 30 ms; the VMM may still finish it, so read the machine's state before a retry";
  expect(await failureOf(await serve(() => undefined), { timeoutMs: 30 })).toBe(late);
  const middle = await serve((socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n{"));
  expect(await failureOf(middle, { timeoutMs: 30 })).toBe(late);
});

test("ends when the caller's signal aborts", async () => {
  const stop = new AbortController();
  const path = await serve(() => stop.abort(new Error("the user pressed ^C")));
  expect(await failureOf(path, { signal: stop.signal })).toBe("cancelled (the user pressed ^C)");
});

test("reports a refusal on one line, whatever is in it, with the operation's remedy", async () => {
  const refused = await serve(answered("400 Bad Request\r\n\r\nnot\n\u001b[31mnow"));
  expect(await failureOf(refused)).toBe("the VMM answered 400, not\\u000a\\u001b[31mnow; start the machine first");
  const silent = await serve(answered("500 Internal Server Error\r\n\r\n"));
  expect(await failureOf(silent)).toBe("the VMM answered 500, no reason; start the machine first");
  const long = await serve(answered(`400 Bad Request\r\n\r\n${"x".repeat(100_000)}`));
  expect((await failureOf(long)).length).toBeLessThan(5000);
});

test("refuses an answer that isn't HTTP, isn't JSON, or is endless", async () => {
  const noise = await serve((socket) => void socket.end("+OK hello\r\n"));
  expect(await failureOf(noise)).toMatch(/^no answer, Parse Error: .*; the VMM may have ended/);
  const page = await serve(answered("200 OK\r\n\r\n<html>"));
  expect(await failureOf(page)).toBe("the answer is not JSON; check that the socket is the VMM's API socket");
  const endless = await serve(answered(`200 OK\r\n\r\n${" ".repeat(1_100_000)}`));
  expect(await failureOf(endless)).toMatch(/^no answer, an answer of over 1048576 bytes;/);
});
