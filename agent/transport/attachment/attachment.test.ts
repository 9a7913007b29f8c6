import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM, type StreamFrame, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { Process } from "../../container/process/process.ts";
import { ResumableProcesses } from "../../container/resumable/resumable-processes.ts";
import { testKernel } from "../../container/testing/test-kernel.ts";
import { AgentError } from "../../kernel/error.ts";
import { createLedgerMemory, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { ExitStatus, KeptFds } from "../../kernel/kernel.ts";
import { adoptStream } from "../../kernel/sys/streams.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { Attaching } from "../../service/streams/attach.ts";
import { AttachmentConnection } from "./attachment-connection.ts";

leavesNoDescriptors();
const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

const sys = openSys();
const { v1 } = guestd;
const name = (of: string) => `guestd.v1.${of}`;
const messages = {
  attach: codec(name("Attach"), v1.Attach),
  hello: codec(name("Hello"), v1.Hello),
  gap: codec(name("Gap"), v1.Gap),
  exit: codec(name("Exit"), v1.Exit),
  resize: codec(name("Resize"), v1.Resize),
  signal: codec(name("Signal"), v1.Signal),
  error: codec(name("Failure"), v1.Failure),
};
const ENDED: ExitStatus = { code: 3, signal: 2, userMicros: 4, systemMicros: 5, maxRssKib: 6 };
const { stdin: IN, stdout: OUT, stderr: ERR, process: PROCESS } = STREAM;

/** A client's end of a connection. */
class Client {
  readonly #socket;
  readonly #frames: StreamFrame[] = [];
  readonly closed: Promise<unknown>;

  constructor(fd: number) {
    const parser = new StreamFrameParser("agent");
    this.#socket = adoptStream(fd)
      .on("data", (chunk) => this.#frames.push(...parser.push(chunk)))
      .on("error", () => undefined)
      .on("end", () => this.#socket.end());
    this.closed = once(this.#socket, "close");
  }

  send(...frame: Parameters<typeof encodeStreamFrame>): this {
    return this.raw(encodeStreamFrame(...frame));
  }

  raw(bytes: Uint8Array): this {
    this.#socket.write(bytes);
    return this;
  }

  /** Resolves with the next `count` frames: type, stream, offset, and the payload as a message or as text. */
  async next(count: number): Promise<unknown[][]> {
    const signal = AbortSignal.timeout(4000);
    while (this.#frames.length < count) {
      if (this.#socket.closed) throw new Error(`closed after ${JSON.stringify(this.#frames.map(shown))}`);
      await Promise.race([once(this.#socket, "data", { signal }), this.closed]);
    }
    return this.#frames.splice(0, count).map(shown);
  }

  /** Resolves with the last frame, an error, once the agent has no more to send. */
  async failure(): Promise<unknown> {
    for (;;) {
      const [frame] = await this.next(1);
      if (frame?.[0] !== "error") continue;
      this.#socket.end();
      return frame[3];
    }
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }
}

/** Returns all fields of a message, also those with their default. */
function fieldsOf(message: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const key in message) {
    const value = message[key as keyof typeof message] as unknown;
    if (typeof value !== "function") fields[key] = value;
  }
  return fields;
}

function shown({ type, stream, offset, payload }: StreamFrame): unknown[] {
  const message = type in messages ? messages[type as keyof typeof messages].decode(payload) : undefined;
  const content = message === undefined ? Buffer.from(payload).toString() : fieldsOf(message);
  return [type, stream, offset, ...(payload.length === 0 ? [] : [content])];
}

/** A process that clients attach to, and a connection for each. `calls` are those of the service. */
function start({ terminal = false, refuse }: { terminal?: boolean; refuse?: string } = {}) {
  const kernel = testKernel();
  const [input, out, err] = [sys.pipe(), sys.pipe(), sys.pipe()];
  const { read: pidfd, write } = sys.pipe();
  sys.close(write);
  const [master, tty] = sys.socketPair("stream");
  const fds: KeptFds = terminal ? { terminal: master } : { stdin: input.write, stdout: out.read, stderr: err.read };
  const exit = Promise.withResolvers<ExitStatus>();
  const process = new Process(kernel, "x", { id: 7, pid: 1, pidfd, exit: exit.promise }, fds);
  const processes = new ResumableProcesses(kernel, new StreamLedger(createLedgerMemory()), []);
  const attached = processes.add(processes.prepare(), process);
  const calls: unknown[][] = [];
  const call =
    (what: string) =>
    (...[request, ...rest]: [{ client: string }, ...unknown[]]) => {
      calls.push([what, request.client, ...rest]);
      if (what === refuse) throw new AgentError("permission-denied", `${what}: denied by policy`);
    };
  const attaching = {
    epoch: processes.epoch,
    find: async () => attached,
    release: () => void calls.push(["release"]),
    checkInput: call("input"),
    checkInputEnd: call("end"),
    resize: (request: { client: string }, _: unknown, size: object) => call("resize")(request, { ...size }),
    signal: async (request: { client: string }, _: unknown, number: number) => call("signal")(request, number),
  } as unknown as Attaching;
  let gone = false;
  const hangUp = () => {
    if (!gone) for (const fd of [out.write, err.write, input.read, tty]) sys.close(fd);
    gone = true;
  };
  const clients: Client[] = [];
  const connect = (firstFrameMs?: number) => {
    const [ours, other] = sys.socketPair("stream");
    sys.setNonBlocking(ours);
    const connection = new AttachmentConnection(sys, ours, attaching, firstFrameMs);
    const client = new Client(other);
    clients.push(client);
    return { client, connection };
  };
  const attach = (request: Parameters<typeof messages.attach.encode>[0] = {}) => {
    const payload = messages.attach.encode({ version: 1, client: "one", ...request });
    return connect().client.send("attach", PROCESS, 0, payload);
  };
  cleanUps.push(async () => {
    for (const client of clients) await client.close();
    attached.close();
    process.destroy();
    hangUp();
    const unused = terminal ? [input.write, out.read, err.read] : [master];
    const mover = kernel.init.calls.find(([, of]) => of === "streams:mover")?.[2];
    for (const fd of [...unused, mover]) sys.close(Number(fd));
  });
  const print = (stream: 1 | 2, text: string) => sys.write(stream === 1 ? out.write : err.write, Buffer.from(text));
  const typed = () => {
    const into = Buffer.alloc(100);
    return into.toString("latin1", 0, Math.max(sys.read(input.read, into), 0));
  };
  sys.setNonBlocking(input.read);
  return { kernel, process, processes, attached, calls, connect, attach, print, typed, hangUp, end: exit.resolve };
}

const state = (base: number, end: number) => expect.objectContaining({ base, end });

describe("a client that attaches", () => {
  test("gets the process's state, all output in order, its end and its exit, and acknowledges them", async () => {
    const { attach, print, hangUp, end, calls, attached, processes } = start();
    print(OUT, "abc");
    print(ERR, "de");
    const client = attach();
    const [hello, ...data] = await client.next(3);
    expect(hello).toEqual([
      "hello",
      PROCESS,
      0,
      {
        ...{ version: 1, epoch: Buffer.from(processes.epoch), stdout: state(0, 0), stderr: state(0, 0) },
        ...{ stdin: 0, stdin_ended: false, terminal: false },
      },
    ]);
    expect(data).toEqual([
      ["data", OUT, 0, "abc"],
      ["data", ERR, 0, "de"],
    ]);
    client.send("ack", OUT, 2).send("ack", ERR, 1).send("ping", PROCESS, 9);
    expect(await client.next(1)).toEqual([["pong", PROCESS, 9]]);
    expect([attached.stdout.base, attached.stderr?.base]).toEqual([2, 1]);
    print(OUT, "f");
    expect(await client.next(1)).toEqual([["data", OUT, 3, "f"]]);
    hangUp();
    expect((await client.next(2)).sort()).toEqual([
      ["eof", OUT, 4],
      ["eof", ERR, 2],
    ]);
    end(ENDED);
    const times = { user_micros: 4, system_micros: 5, max_rss_kib: 6 };
    expect(await client.next(1)).toEqual([
      ["exit", PROCESS, 0, { code: 3, signal: 2, stdout: 4, stderr: 2, ...times }],
    ]);
    expect(attached.owner).toBeDefined();
    client.send("ack", PROCESS, 0);
    await expect.poll(() => calls).toEqual([["release"]]);
    expect(attached.owner).toBeUndefined();
  });

  test("continues at the byte it asks for, and is told which bytes are gone", async () => {
    const { attach, print, attached } = start();
    print(OUT, "abcdef");
    print(ERR, "uvwxyz");
    const first = attach();
    await first.next(3);
    first.send("ack", OUT, 2).send("ack", ERR, 2).send("ping", PROCESS, 0);
    await first.next(1);
    await first.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    const next = attach({ stdout_from: 1, stderr_from: 4, client: "two" });
    const [hello, ...others] = await next.next(4);
    expect(hello?.[3]).toMatchObject({ stdout: state(2, 6), stderr: state(2, 6) });
    expect(others.sort()).toEqual([
      ["data", OUT, 2, "cdef"],
      ["data", ERR, 4, "yz"],
      ["gap", OUT, 1, { to: 2, reason: "they were acknowledged before" }],
    ]);
    await next.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    const exactly = attach({ stdout_from: 2 });
    expect((await exactly.next(3)).slice(1)).toEqual([
      ["data", OUT, 2, "cdef"],
      ["data", ERR, 4, "yz"],
    ]);
  });

  test("sends input that the process reads, resumes at the byte it has written, and ends it", async () => {
    const { attach, typed, calls, attached } = start();
    const client = attach();
    client.send("stdin", IN, 0, Buffer.from("ab")).send("stdin", IN, 2, Buffer.from("c"));
    expect((await client.next(3)).slice(1)).toEqual([
      ["stdinAck", IN, 2],
      ["stdinAck", IN, 3],
    ]);
    expect(typed()).toBe("abc");
    await client.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    const next = attach();
    expect((await next.next(1))[0]?.[3]).toMatchObject({ stdin: 3, stdin_ended: false });
    next.send("stdin", IN, 3, Buffer.from("d")).send("stdinEof", IN, 4);
    await expect.poll(() => attached.stdin.ended).toBe(true);
    expect([typed(), calls.map(([what]) => what)]).toEqual(["d", ["input", "input", "input", "end"]]);
    expect(calls[0]).toEqual(["input", "one", Buffer.from("ab")]);
    await next.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    expect((await attach().next(1))[0]?.[3]).toMatchObject({ stdin: 4, stdin_ended: true });
  });

  test("is told from which byte on a process that closed its input refuses it", async () => {
    const { attach, hangUp } = start();
    hangUp();
    const client = attach();
    await client.next(3);
    client.send("stdin", IN, 0, Buffer.from("ab"));
    const reason = "write to stdin: EPIPE (the process no longer reads it)";
    expect(await client.next(1)).toEqual([["gap", IN, 0, { to: 0, reason }]]);
  });

  test("resizes and signals the process, and its pongs are ignored", async () => {
    const { attach, calls } = start();
    const client = attach()
      .send("pong", PROCESS, 1)
      .send("resize", PROCESS, 0, messages.resize.encode({ rows: 3, columns: 4 }))
      .send("signal", PROCESS, 0, messages.signal.encode({ number: 15 }))
      .send("ping", PROCESS, 2);
    expect((await client.next(2))[1]).toEqual(["pong", PROCESS, 2]);
    expect(calls).toEqual([
      ["resize", "one", { rows: 3, columns: 4 }],
      ["signal", "one", 15],
    ]);
  });

  test("to a process with a terminal gets one output, and can't end the input", async () => {
    const { attach } = start({ terminal: true });
    const client = attach();
    const [hello] = await client.next(1);
    expect(hello?.[3]).toMatchObject({ stdout: state(0, 0), stderr: null, terminal: true });
    client.send("stdinEof", IN, 0);
    const message = "end input: a terminal has no end of input; send ^D";
    expect(await client.failure()).toEqual({ kind: "failed-precondition", message });
  });
});

describe("an attachment ends", () => {
  test("when another client takes the process over, and only then", async () => {
    const { attach, attached } = start();
    const first = attach();
    await first.next(1);
    const message = "attach: another client is attached; set takeover to replace it";
    expect(await attach({ client: "two" }).failure()).toEqual({ kind: "failed-precondition", message });
    first.send("ping", PROCESS, 1);
    expect(await first.next(1)).toEqual([["pong", PROCESS, 1]]);
    const third = attach({ client: "three", takeover: true });
    await third.next(1);
    expect(await first.next(1)).toEqual([["takenOver", PROCESS, 0]]);
    first.send("ping", PROCESS, 2).send("ack", OUT, 100);
    expect(attached.owner?.client).toBe("three");
  });

  test("when the same client attaches by a new connection, which it knows", async () => {
    const { attach, attached, print } = start();
    const first = attach();
    await first.next(1);
    const { owner } = attached;
    const second = attach();
    await second.next(1);
    expect(attached.owner).not.toBe(owner);
    print(OUT, "x");
    expect(await second.next(1)).toEqual([["data", OUT, 0, "x"]]);
    await first.close();
    second.send("ping", PROCESS, 3);
    expect(await second.next(1)).toEqual([["pong", PROCESS, 3]]);
    expect(attached.owner?.client).toBe("one");
  });

  test("when the process is removed", async () => {
    const { attach, process } = start();
    const client = attach();
    await client.next(1);
    process.destroy();
    expect(await client.failure()).toEqual({ kind: "not-found", message: "attach: the process was removed" });
  });

  test.each([["input"], ["end"], ["resize"], ["signal"]])("when the policy denies its call: %s", async (refuse) => {
    const { attach, attached, typed } = start({ refuse });
    const client = attach();
    await client.next(1);
    if (refuse === "input") client.send("stdin", IN, 0, Buffer.from("a"));
    if (refuse === "end") client.send("stdinEof", IN, 0);
    if (refuse === "resize") client.send("resize", PROCESS, 0, messages.resize.encode({ rows: 1, columns: 1 }));
    if (refuse === "signal") client.send("signal", PROCESS, 0, messages.signal.encode({ number: 1 }));
    const message = `${refuse}: denied by policy`;
    expect(await client.failure()).toEqual({ kind: "permission-denied", message });
    expect([attached.owner, attached.stdin.ended, typed()]).toEqual([undefined, false, ""]);
  });

  test("when it sends more than 64 KiB of input that isn't acknowledged, or input after its end", async () => {
    const { attach, attached } = start();
    const piece = Buffer.alloc(65_536);
    const client = attach().send("stdin", IN, 0, piece);
    expect((await client.next(2))[1]).toEqual(["stdinAck", IN, 65_536]);
    client.send("stdin", IN, 65_536, piece).send("ping", PROCESS, 1);
    expect(await client.next(1)).toEqual([["pong", PROCESS, 1]]);
    client.send("stdin", IN, 131_072, Buffer.of(1));
    const line = "input at 131072: over 65536 bytes are not acknowledged; wait for STDIN_ACK";
    expect(await client.failure()).toEqual({ kind: "resource-exhausted", message: line });
    await client.closed;
    await expect.poll(() => attached.owner).toBeUndefined();
    const next = attach();
    expect((await next.next(1))[0]?.[3]).toMatchObject({ stdin: 65_536 });
    next.send("stdin", IN, 65_536, Buffer.of(1)).send("stdinEof", IN, 65_537).send("stdin", IN, 65_537, Buffer.of(1));
    const ended = "input at 65537: the input has ended";
    expect(await next.failure()).toEqual({ kind: "failed-precondition", message: ended });
  });

  test.each<[string, Parameters<typeof encodeStreamFrame> | Buffer]>([
    ["frame attach: the client is attached already", ["attach", PROCESS, 0, messages.attach.encode({ version: 1 })]],
    ["acknowledge the exit: it was not sent", ["ack", PROCESS, 0]],
    ["acknowledge byte 4: only 3 bytes were sent", ["ack", OUT, 4]],
    ["acknowledge byte 1: only 0 bytes were sent", ["ack", ERR, 1]],
    ["input at 1: the next byte is 0", ["stdin", IN, 1, Buffer.from("a")]],
    ["frame of type 99: the type is unknown", Buffer.alloc(16, 99)],
    ["decode guestd.v1.Resize of 1 bytes: ", ["resize", PROCESS, 0, Buffer.of(255)]],
    ["decode guestd.v1.Signal of 1 bytes: ", ["signal", PROCESS, 0, Buffer.of(255)]],
  ])("when its frame is refused: %s", async (message, frame) => {
    const { attach, attached, print } = start();
    print(OUT, "abc");
    const client = attach();
    await client.next(2);
    if (Buffer.isBuffer(frame)) client.raw(frame);
    else client.send(...frame);
    expect(await client.failure()).toEqual({ kind: "invalid-argument", message: expect.stringContaining(message) });
    await client.closed;
    expect(attached.owner).toBeUndefined();
  });
});

describe("a connection", () => {
  test.each<[string, Parameters<typeof encodeStreamFrame>]>([
    ["frame ping: the first frame must be attach", ["ping", PROCESS, 0]],
    ["decode guestd.v1.Attach of 1 bytes: ", ["attach", PROCESS, 0, Buffer.of(255)]],
  ])("is refused by its first frame: %s", async (message, frame) => {
    const { connect, attached } = start();
    const { client, connection } = connect();
    client.send(...frame);
    expect(await client.failure()).toEqual({ kind: "invalid-argument", message: expect.stringContaining(message) });
    await connection.closed;
    expect(attached.owner).toBeUndefined();
  });

  test("is closed if it sends no frame in time, but not once it is attached", async () => {
    const { connect } = start();
    const attached = connect(40);
    attached.client.send("attach", PROCESS, 0, messages.attach.encode({ version: 1 }));
    await attached.client.next(1);
    const silent = connect(60);
    await silent.connection.closed;
    attached.client.send("ping", PROCESS, 5);
    expect(await attached.client.next(1)).toEqual([["pong", PROCESS, 5]]);
  });
});
