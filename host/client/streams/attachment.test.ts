import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { codec, type Init } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { type AttachOptions, attach } from "./attachment.ts";

const { v1 } = guestd;
const messages = {
  attach: codec("guestd.v1.Attach", v1.Attach),
  hello: codec("guestd.v1.Hello", v1.Hello),
  exit: codec("guestd.v1.Exit", v1.Exit),
  failure: codec("guestd.v1.Failure", v1.Failure),
};
const HELLO = { version: 1, epoch: Uint8Array.of(7), stdout: { base: 0 }, stderr: { base: 0 } };

let directory: string;
let server: Server | undefined;
const sockets = new Set<Socket>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "attachment-"));
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server?.close();
  rmSync(directory, { recursive: true });
});

type Answer = (connection: {
  hello(): void;
  data(text: string, offset: number): void;
  exit(exit: Init<guestd.v1.Exit>): void;
  fail(kind: string, message: string): void;
  end(): void;
}) => void;

/** Serves an agent that answers the connections one after the other, and returns what they asked for. */
async function serve(...answers: readonly Answer[]) {
  const requests: guestd.v1.Attach[] = [];
  const frames: string[] = [];
  const address = `unix://${directory}/agent`;
  const left = [...answers];
  const listening = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    const parser = new StreamFrameParser("client");
    const send = (...frame: Parameters<typeof encodeStreamFrame>) => socket.write(encodeStreamFrame(...frame));
    socket.on("data", (chunk: Buffer) => {
      const received = parser.push(chunk);
      for (const { type, offset } of received) frames.push(type === "ack" ? `ack ${offset}` : type);
      if (received.some(({ type }) => type === "leave")) socket.end();
      const [first] = received;
      if (first?.type !== "attach") return;
      requests.push(messages.attach.decode(first.payload));
      left.shift()?.({
        hello: () => send("hello", STREAM.process, 0, messages.hello.encode(HELLO)),
        data: (text, offset) => send("data", STREAM.stdout, offset, Buffer.from(text)),
        exit: (exit) => send("exit", STREAM.process, 0, messages.exit.encode(exit)),
        fail: (kind, message) => send("error", STREAM.process, 0, messages.failure.encode({ kind, message })),
        end: () => socket.end(),
      });
    });
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(`${directory}/agent`, resolve));
  return { address, requests, frames };
}

function start(address: string, options: Partial<AttachOptions> = {}) {
  const state = { text: "", connected: 0 };
  const attachment = attach(
    address,
    { container: "c", exec: "x", process: { Args: ["ls"] }, takeover: true },
    {
      onData(_, bytes) {
        state.text += Buffer.from(bytes).toString();
      },
      onConnect: () => state.connected++,
      ...options,
    },
  );
  return { attachment, state };
}

test("starts the process and takes over with the first connection alone, and continues at the next byte", async () => {
  const { address, requests } = await serve(
    (agent) => {
      agent.hello();
      agent.data("abc", 0);
      agent.end();
    },
    (agent) => {
      agent.hello();
      agent.data("de", 3);
      agent.exit({ code: 3, stdout: 5 });
    },
  );
  const { attachment, state } = start(address);
  expect(await attachment.exit).toMatchObject({ code: 3, stdout: 5 });
  expect(state).toEqual({ text: "abcde", connected: 2 });
  expect(requests.map(({ process, takeover, stdout_from }) => [process?.Args, takeover, stdout_from])).toEqual([
    [["ls"], true, null],
    [undefined, false, 3],
  ]);
});

test("sends a start again whose answer was lost, as long as the guest is quiesced for a snapshot", async () => {
  const quiesced = (agent: Parameters<Answer>[0]) => agent.fail("unavailable", "attach: the guest is quiesced");
  const { address, requests } = await serve(
    (agent) => agent.end(),
    quiesced,
    quiesced,
    (agent) => {
      agent.hello();
      agent.exit({ code: 4 });
    },
  );
  const { attachment } = start(address);
  expect(await attachment.exit).toMatchObject({ code: 4 });
  expect(requests.map(({ process }) => process?.Args)).toEqual(Array(4).fill(["ls"]));
});

test("reports at once that the guest is quiesced if no start was sent before", async () => {
  const { address, requests } = await serve((agent) => agent.fail("unavailable", "attach: the guest is quiesced"));
  await expect(start(address).attachment.exit).rejects.toMatchObject({ kind: "unavailable" });
  expect(requests).toHaveLength(1);
});

test("sends the start again if the first connection ended before the answer", async () => {
  const { address, requests } = await serve(
    (agent) => agent.end(),
    (agent) => {
      agent.hello();
      agent.exit({ code: 0 });
    },
  );
  expect(await start(address).attachment.exit).toMatchObject({ code: 0 });
  expect(requests.map(({ process }) => process?.Args)).toEqual([["ls"], ["ls"]]);
});

test("attaches after a refusal, once the agent has noticed that the client before it is gone", async () => {
  const refuse: Answer = (agent) => agent.fail("failed-precondition", "attach: another client is attached");
  const { address, requests } = await serve(refuse, refuse, (agent) => {
    agent.hello();
    agent.exit({ code: 5 });
  });
  const { attachment, state } = start(address);
  expect(await attachment.exit).toMatchObject({ code: 5 });
  expect([requests.length, state.connected]).toEqual([3, 1]);
});

test("leaves after the piece of output that is being taken, and waits until the agent closes", async () => {
  const [taking, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { address, frames } = await serve((agent) => {
    agent.hello();
    agent.data("abc", 0);
  });
  const onData = () => {
    begun.resolve();
    return taking.promise;
  };
  const { attachment } = start(address, { onData });
  await begun.promise;
  attachment.close();
  taking.resolve();
  await expect(attachment.exit).rejects.toMatchObject({ kind: "canceled" });
  expect(frames).toEqual(["attach", "ack 3", "leave"]);
  expect(attachment.position).toMatchObject({ stdout: 3 });
});

test("rejects input that the process has not got before its end", async () => {
  const { address } = await serve((agent) => {
    agent.hello();
    agent.exit({ code: 1 });
  });
  const { attachment } = start(address);
  await expect(attachment.write(Buffer.from("left"))).rejects.toMatchObject({
    kind: "gap",
    message: "attach to exec x of container c: the process ended before it got all input",
  });
  expect(await attachment.exit).toMatchObject({ code: 1 });
});

test("is unreachable if the first connection fails, and cut if a later one does", async () => {
  const { attachment } = start(`unix://${directory}/none`);
  await expect(attachment.exit).rejects.toMatchObject({ kind: "unreachable" });
  const { address } = await serve((agent) => {
    agent.hello();
    agent.data("abc", 0);
    server?.close();
    agent.end();
  });
  const cut = start(address, { giveUpMs: 1 }).attachment;
  await expect(cut.exit).rejects.toMatchObject({ kind: "cut", message: expect.stringContaining("cut at byte 3") });
});

test("is cut if connections succeed and the agent answers none of them", async () => {
  const { address } = await serve(
    (agent) => {
      agent.hello();
      agent.end();
    },
    () => undefined,
  );
  const { attachment } = start(address, { giveUpMs: 500 });
  await expect(attachment.exit).rejects.toMatchObject({
    kind: "cut",
    message: expect.stringContaining("cut at byte 0 of stdout: the agent didn't answer within 1 s;"),
  });
});

test.each<[string, Answer, { kind: string; message: string }]>([
  [
    "an exit code over 255, which would count as success",
    (agent) => {
      agent.hello();
      agent.exit({ code: 256 });
    },
    { kind: "internal", message: "attach: the agent reports 256 as the exit code" },
  ],
  [
    "an exit before all output",
    (agent) => {
      agent.hello();
      agent.exit({ code: 0, stdout: 9 });
    },
    { kind: "internal", message: "attach: the agent continues stdout at 9, not at 0" },
  ],
  [
    "an error of a kind that only clients have",
    (agent) => agent.fail("unreachable", "\u001b[2J"),
    { kind: "unknown", message: "\\u001b[2J" },
  ],
])("doesn't trust an agent that sends %s", async (_, answer, error) => {
  const { address } = await serve(answer);
  await expect(start(address).attachment.exit).rejects.toMatchObject(error);
});

test.each([
  ["SIGKILL again on the next connection", 9, 2],
  ["any other signal once", 15, 1],
])("sends %s, as one may be lost with its connection", async (_, number, times) => {
  const exits: (() => void)[] = [];
  const answer: Answer = (agent) => {
    agent.hello();
    exits.push(() => agent.exit({ code: 128 + number, stdout: 0 }));
  };
  const { address, frames } = await serve(answer, answer);
  const { attachment, state } = start(address);
  const signals = () => frames.filter((type) => type === "signal").length;
  await attachment.attached;
  attachment.signal(number);
  await expect.poll(signals).toBe(1);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => state.connected).toBe(2);
  attachment.signal(10); // comes after what the connection began with
  await expect.poll(signals).toBe(times + 1);
  exits[1]?.();
  expect(await attachment.exit).toMatchObject({ code: 128 + number });
});
