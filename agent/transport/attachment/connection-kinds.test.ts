import { openSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { STREAM } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { Capturing } from "../../service/streams/capturing.ts";
import type { Cores } from "../../service/streams/cores.ts";
import type { Events } from "../../service/streams/events.ts";
import type { Forwarding } from "../../service/streams/forwarding.ts";
import { captureKinds } from "./capture-session.ts";
import { coresKinds } from "./cores-connection.ts";
import { eventsKinds } from "./events-connection.ts";
import { forwardKinds } from "./forward-connection.ts";
import { closesConnections, serveClient } from "./testing/stream-client.ts";

leavesNoDescriptors();
closesConnections();
const sys = openSys();
const { process: PROCESS } = STREAM;
const text = (value: string) => Buffer.from(value);
const notFirst = (type: string) => ({
  kind: "invalid-argument",
  message: `frame ${type}: it may not follow the first one`,
});
const denied = new AgentError("permission-denied", "denied by policy");

describe("a connection", () => {
  test("is refused if nothing begins with its first frame, or if it is no frame", async () => {
    const { client, isClosed } = serveClient({ kinds: {} });
    client.send("ping", PROCESS, 0);
    const message = "frame ping: a connection can't begin with it";
    expect(await client.failure()).toEqual({ kind: "invalid-argument", message });
    await expect.poll(isClosed).toBe(true);
    const other = serveClient({ kinds: {} }).client.raw(Buffer.alloc(16, 99));
    expect(await other.failure()).toEqual({
      kind: "invalid-argument",
      message: "frame of type 99: the type is unknown",
    });
  });

  test("may not send a second frame of a kind that has only one, and its errors keep their kind", async () => {
    const { client } = serveClient({ kinds: { events: async () => undefined } });
    client.send("events", PROCESS, 0).send("ping", PROCESS, 0);
    expect(await client.failure()).toEqual(notFirst("ping"));
    const other = serveClient({ kinds: { events: () => Promise.reject(denied) } }).client.send("events", PROCESS, 0);
    expect(await other.failure()).toEqual({ kind: "permission-denied", message: "denied by policy" });
  });

  test("ends its handler before it reports an error of it, and takes no more frames", async () => {
    const calls: string[] = [];
    const take = vi.fn(() => {
      throw denied;
    });
    const handler = { take, checkAgain: () => undefined, close: () => void calls.push("close") };
    const { client } = serveClient({ kinds: { events: async () => handler } });
    client.send("events", PROCESS, 0).send("ping", PROCESS, 0).send("ping", PROCESS, 1);
    expect(await client.failure()).toEqual({ kind: "permission-denied", message: "denied by policy" });
    await client.closed;
    expect([calls, take.mock.calls.length]).toEqual([["close"], 1]);
  });

  test("is closed if its first frame takes too long, but not afterwards", async () => {
    const opened = Promise.withResolvers<undefined>();
    const open = serveClient({ kinds: { events: () => opened.promise }, firstFrameMs: 40 });
    open.client.send("events", PROCESS, 0);
    const silent = serveClient({ kinds: {}, firstFrameMs: 60 });
    expect(await silent.client.rest()).toEqual([]);
    expect([open.isClosed(), silent.isClosed()]).toEqual([false, true]);
    opened.resolve(undefined);
  });
});

describe("events", () => {
  type Event = Awaited<ReturnType<ReturnType<Events["open"]>["next"]>>;
  const serve = (
    next: (signal: AbortSignal) => Promise<Event>,
    open = vi.fn(() => ({ start: text("start"), next })),
  ) => {
    const served = serveClient({ kinds: eventsKinds(async () => ({ open }) as unknown as Events) });
    served.client.send("events", PROCESS, 0, text("request"));
    return { ...served, open };
  };

  test("are sent in order, gaps too, until their end", async () => {
    const events: Event[] = [
      { kind: "event", number: 4, payload: text("a") },
      { kind: "gap", number: 5, payload: text("b") },
      { kind: "event", number: 9, payload: text("c") },
      { kind: "end", number: 10 } as Event,
    ];
    const { client, open } = serve(async () => events.shift() as Event);
    expect(await client.next(5)).toEqual([
      ["eventsStart", PROCESS, 0, "start"],
      ["event", PROCESS, 4, "a"],
      ["eventsGap", PROCESS, 5, "b"],
      ["event", PROCESS, 9, "c"],
      ["eventsEnd", PROCESS, 10],
    ]);
    expect(open.mock.calls).toEqual([[text("request")]]);
  });

  test("are awaited until the client is gone; it may ask whether the agent is there, and nothing else", async () => {
    const signals: AbortSignal[] = [];
    const { client } = serve((signal) => {
      signals.push(signal);
      return new Promise(() => {});
    });
    client.send("ping", PROCESS, 6);
    expect((await client.next(2))[1]).toEqual(["pong", PROCESS, 6]);
    client.send("captureStop", PROCESS, 0);
    expect(await client.failure()).toEqual(notFirst("captureStop"));
    await client.closed;
    await expect.poll(() => signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test("that can't be read close the connection", async () => {
    const next = Promise.withResolvers<Event>();
    const { client } = serve(() => next.promise);
    expect(await client.next(1)).toEqual([["eventsStart", PROCESS, 0, "start"]]);
    next.reject(new Error("gone"));
    expect(await client.rest()).toEqual([]);
  });
});

describe("core dumps", () => {
  const serve = (cores: Partial<Cores>) => serveClient({ kinds: coresKinds(async () => cores as Cores) }).client;

  /** A file in memory is enough: the connection only closes its descriptor. */
  function core(content: Buffer, from: number, size = content.length) {
    const fd = openSync(join(tmpdir(), `core-${process.pid}`), "w");
    writeSync(fd, content);
    const read = (into: Uint8Array, at: number) => content.copy(into, 0, at);
    return { open: vi.fn(() => ({ fd, start: text("start"), from, size, read })) };
  }

  test("are sent from the requested byte on, in pieces of 32 KiB with their headers", async () => {
    const content = Buffer.alloc(40_000, "x");
    const client = serve(core(content, 100) as unknown as Cores);
    client.send("core", PROCESS, 0, text("which")).send("ping", PROCESS, 3);
    const frames = (await client.next(5)).filter(([type]) => type !== "pong");
    expect(frames.map(([type, , offset, content]) => [type, offset, String(content ?? "").length])).toEqual([
      ["coreStart", 0, 5],
      ["coreData", 100, 32_752],
      ["coreData", 32_852, 7148],
      ["coreEnd", 40_000, 0],
    ]);
    client.send("ping", PROCESS, 4); // dropped after the last frame
    expect(await client.rest()).toEqual([]);
  });

  test("whose file ends too early are an error, and no other frame may follow the request", async () => {
    const short = serve(core(Buffer.alloc(10), 0, 11) as unknown as Cores).send("core", PROCESS, 0);
    const message = "get a core dump: its file ends at byte 10";
    expect(await short.failure()).toEqual({ kind: "internal", message });
    const other = serve(core(Buffer.alloc(1 << 20), 0) as unknown as Cores);
    other.send("core", PROCESS, 0).send("events", PROCESS, 0);
    expect(await other.failure()).toEqual(notFirst("events"));
  });
});

describe("forwarded connections", () => {
  const refusal = (error: unknown) => (error === denied ? undefined : text(String((error as Error).message)));
  const serve = (forwarding: object) => {
    const write = vi.fn((fd: number, bytes: Uint8Array) => sys.write(fd, bytes));
    const close = vi.fn((fd: number) => void fd);
    const parts = { refusal, ...forwarding } as unknown as Forwarding;
    const kinds = forwardKinds({ ...sys, write, close }, async () => parts);
    return { ...serveClient({ kinds }), write, close };
  };

  test.each(["tcp", "udp"])("by %s get the connection and its target, then the client an answer", async (kind) => {
    const [startFlow, open] = [vi.fn(), vi.fn()];
    const checkAgain = () => undefined;
    const connect = vi.fn(async () => ({ kind, id: "id", target: 1234, checkAgain, acceptedOf: "web" }));
    const { client, write, isClosed } = serve({ connect, startFlow, forwards: { open } });
    client.send("forward", PROCESS, 0, text("where"));
    expect(await client.next(1)).toEqual([["forwarded", PROCESS, 0]]);
    const [fd] = write.mock.calls[0] ?? [-1];
    expect([connect.mock.calls, isClosed()]).toEqual([[[text("where")]], true]);
    expect([startFlow.mock.calls, open.mock.calls]).toEqual(
      kind === "udp" ? [[[fd, 1234, checkAgain]], []] : [[], [["id", fd, 1234, checkAgain, "web"]]],
    );
    sys.close(fd); // its new owner does
  });

  test("are refused, and the target is closed, if the client sends before the answer", async () => {
    const target = Promise.withResolvers<object>();
    const connect = () => target.promise;
    const { client, close } = serve({ connect });
    client.send("forward", PROCESS, 0).send("ping", PROCESS, 0);
    setTimeout(() => target.resolve({ kind: "tcp", id: "id", target: 1234 }), 20);
    const [frame] = await client.next(1);
    expect(frame).toEqual(["forwardRefused", PROCESS, 0, "the client sent data before it was answered"]);
    expect(close.mock.calls).toEqual([[1234]]);
  });

  test("that are refused get the reason; other errors end the connection", async () => {
    const refused = serve({ connect: () => Promise.reject(new Error("no such port")) });
    refused.client.send("forward", PROCESS, 0);
    expect(await refused.client.next(1)).toEqual([["forwardRefused", PROCESS, 0, "no such port"]]);
    const failed = serve({ connect: () => Promise.reject(denied) });
    failed.client.send("forward", PROCESS, 0);
    expect(await failed.client.failure()).toEqual({ kind: "permission-denied", message: "denied by policy" });
  });

  test("are joined with the answer that the client gets", async () => {
    const join = vi.fn((_id: string, fd: number, answer: Uint8Array) => void sys.write(fd, answer));
    const { client, isClosed } = serve({ joined: () => "id", forwards: { join } });
    client.send("forwardJoin", PROCESS, 0, text("which"));
    expect(await client.next(1)).toEqual([["forwarded", PROCESS, 0]]);
    expect([join.mock.calls[0]?.[0], isClosed()]).toEqual(["id", true]);
    sys.close(join.mock.calls[0]?.[1] ?? -1);
  });

  test("to the host are announced until the client ends them", async () => {
    const handler = { port: 8080, end: vi.fn(), leave: vi.fn() };
    let report = () => {};
    const listen = vi.fn(async (_payload: Uint8Array, onWaiting: () => void) => {
      report = onWaiting;
      return handler;
    });
    const { client } = serve({ listen });
    client.send("forwardListen", PROCESS, 0, text("what"));
    expect(await client.next(1)).toEqual([["forwardListening", PROCESS, 8080]]);
    report();
    client.send("ping", PROCESS, 1);
    expect((await client.next(2)).sort()).toEqual([
      ["forwardWaiting", PROCESS, 0],
      ["pong", PROCESS, 1],
    ]);
    client.send("forwardEnd", PROCESS, 0).send("events", PROCESS, 0);
    expect(await client.failure()).toEqual(notFirst("events"));
    expect(handler.end).toHaveBeenCalledOnce();
    await expect.poll(() => handler.leave.mock.calls.length).toBe(1);
  });

  test("to the host end with their connection, which their replacement closes", async () => {
    let close = () => {};
    const listen = async (_: Uint8Array, _onWaiting: () => void, end: () => void) => {
      close = end;
      return { port: 1, end() {}, leave: vi.fn() };
    };
    const { client } = serve({ listen });
    client.send("forwardListen", PROCESS, 0);
    await client.next(1);
    close();
    expect(await client.rest()).toEqual([]);
  });
});

describe("a capture", () => {
  /** A capture of an interface, of which the test plays what is read. */
  function serve(version = 2) {
    const reads: { bytes: Buffer; packets: number; isGone?: boolean; interfaces?: object[] }[] = [];
    let wake = () => {};
    let onContainerEnd = (_reason: string) => {};
    const capture = {
      ...{ isStopped: false, dropped: 7 },
      stop() {
        capture.isStopped = true;
        wake();
      },
      wait: () =>
        reads.length > 0 || capture.isStopped ? Promise.resolve() : new Promise<void>((done) => (wake = done)),
      read(into: Buffer) {
        const { bytes = Buffer.alloc(0), packets = 0, isGone = false, interfaces = [] } = reads.shift() ?? {};
        return { bytes: bytes.copy(into), packets, interfaces, isGone };
      },
    };
    const close = vi.fn();
    const open = {
      started: { version, snap_length: 96 },
      capture,
      close,
      onContainerEnd: (on: typeof onContainerEnd) => (onContainerEnd = on),
    };
    const kinds = captureKinds(async () => ({ open: () => open }) as unknown as Capturing);
    const { client } = serveClient({ kinds });
    client.send("capture", PROCESS, 0);
    const arrive = (bytes: string, packets: number, isGone = false, interfaces: object[] = []) => {
      reads.push({ bytes: text(bytes), packets, isGone, interfaces });
      wake();
    };
    return { client, capture, close, arrive, endContainer: (reason: string) => onContainerEnd(reason) };
  }
  const end = (packets: number, reason: string) => ["captureEnd", PROCESS, packets, { packets, dropped: 7, reason }];

  test("sends packets with their numbers, and the counts once the client stops it", async () => {
    const { client, arrive, close } = serve();
    expect(await client.next(1)).toEqual([["captureStarted", PROCESS, 0, { version: 2, snap_length: 96 }]]);
    arrive("abc", 2);
    arrive("d", 1);
    expect(await client.next(2)).toEqual([
      ["packets", PROCESS, 0, "abc"],
      ["packets", PROCESS, 2, "d"],
    ]);
    client.send("ping", PROCESS, 5).send("pong", PROCESS, 6).send("captureStop", PROCESS, 0);
    expect(await client.next(2)).toEqual([["pong", PROCESS, 5], end(3, "")]);
    expect(close).toHaveBeenCalled();
  });

  test("names interfaces before their packets, unless the client speaks version 1", async () => {
    const eth0 = { index: 2, name: "eth0" };
    const { client, arrive } = serve();
    arrive("a", 1, false, [eth0]);
    expect((await client.next(3)).slice(1)).toEqual([
      ["captureInterface", PROCESS, 0, eth0],
      ["packets", PROCESS, 0, "a"],
    ]);
    const old = serve(1);
    old.arrive("a", 1, false, [eth0]);
    expect((await old.client.next(2)).slice(1)).toEqual([["packets", PROCESS, 0, "a"]]);
  });

  test("ends with its interface, after the packets that were received", async () => {
    const { client, arrive } = serve();
    arrive("abc", 1, true);
    arrive("d", 1);
    expect((await client.next(4)).slice(1)).toEqual([
      ["packets", PROCESS, 0, "abc"],
      ["packets", PROCESS, 1, "d"],
      end(2, "the interface was removed or is down"),
    ]);
  });

  test("ends with its container, whose reason stays", async () => {
    const { client, endContainer } = serve();
    await client.next(1);
    endContainer("the container ended");
    client.send("captureStop", PROCESS, 0);
    expect(await client.next(1)).toEqual([end(0, "the container ended")]);
  });

  test("takes no other frame, and ends with its connection", async () => {
    const { client, close } = serve();
    client.send("events", PROCESS, 0);
    const message = "frame events: the client is capturing";
    expect(await client.failure()).toEqual({ kind: "invalid-argument", message });
    expect(close).toHaveBeenCalled();
    const gone = serve();
    await gone.client.next(1);
    await gone.client.close();
    await expect.poll(() => gone.close.mock.calls.length).toBe(1);
  });

  test("that can't go on reports why", async () => {
    const { client, capture, arrive } = serve();
    capture.read = () => {
      throw denied;
    };
    await client.next(1);
    arrive("a", 1);
    expect(await client.failure()).toEqual({ kind: "permission-denied", message: "denied by policy" });
  });
});
