import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import type { OutputRequest } from "../../container/resumable/output-request.ts";
import { playAgent, playProcess } from "../../container/resumable/testing/played-process.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { Attaching } from "../../service/streams/attach.ts";
import { ATTACHMENT_KINDS } from "./attachment-connection.ts";
import {
  closesConnections,
  messages,
  type ShownFrame,
  type StreamClient,
  serveClient,
} from "./testing/stream-client.ts";

leavesNoDescriptors();
const { stdin: IN, stdout: OUT, stderr: ERR, process: PROCESS } = STREAM;
const HOLD = 1;
const cleanUps: (() => void)[] = [];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  vi.useRealTimers();
});
closesConnections();

/** Waits for everything that was on its way when the test called. */
const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Lets the second pass for which a connection stays open after its last frame. Resolves with the frames that came. */
async function lastFrames(client: StreamClient): Promise<ShownFrame[]> {
  vi.advanceTimersByTime(1000);
  return client.rest();
}

interface Options {
  readonly terminal?: boolean;
  /** A call of the service that the policy denies. */
  readonly refuse?: string;
  readonly request?: OutputRequest;
}

/** A process that clients attach to, and a connection for each. `calls` are those of the service. */
function start({ terminal = false, refuse, request }: Options = {}) {
  const agent = playAgent();
  const played = playProcess({ terminal });
  const attached = agent.add(played, request);
  const calls: unknown[][] = [];
  const called = (what: string, ...args: unknown[]) => {
    calls.push([what, ...args]);
    if (what === refuse) throw new AgentError("permission-denied", `${what}: denied by policy`);
  };
  const attaching: Partial<Attaching> = {
    epoch: agent.processes.epoch,
    find: async () => attached,
    release: (process) => agent.processes.release(process),
    setMode: ({ client }) => called("mode", client),
    leave: () => called("leave"),
    checkInput: ({ container_id, exec_id }, data) => called("input", container_id, exec_id, String(data)),
    checkInputEnd: ({ container_id, exec_id }) => called("end", container_id, exec_id),
    resize: ({ exec_id }, _, { rows, columns }) => called("resize", exec_id, rows, columns),
    signal: async ({ exec_id }, _, number) => called("signal", exec_id, number),
  };
  const connect = (isSpliced = true) => serveClient({ attaching, kinds: ATTACHMENT_KINDS, isSpliced });
  const attachBy = (by: ReturnType<typeof connect>, fields: Parameters<typeof messages.attach.encode>[0] = {}) => {
    const payload = messages.attach.encode({ version: 1, client: "one", container_id: "c", exec_id: "x", ...fields });
    return by.client.send("attach", PROCESS, 0, payload);
  };
  const attach = (fields?: Parameters<typeof messages.attach.encode>[0]) => attachBy(connect(), fields);
  cleanUps.push(() => {
    attached.close();
    played.close();
    agent.close();
  });
  return { ...played, agent, attached, calls, connect, attach, attachBy };
}

const state = (base: number, end: number, begin = base) => ({ base, end, mode: HOLD, start: begin, keep_bytes: 0 });
const failure = (kind: string, message: string) => ({ kind, message });
const helloOf = ([frame]: readonly ShownFrame[]) => frame?.[3] as Record<string, unknown>;

describe("a client that attaches", () => {
  test("leaves the process to the next one if the kernel refuses to watch its output", async () => {
    const { attach, attached } = start();
    vi.spyOn(attached.stdout, "watch").mockImplementationOnce(() => {
      throw new SystemError("poll for read", 28, "fd 9");
    });
    const message = expect.stringContaining("poll for read fd 9: ENOSPC");
    expect(await attach().failure()).toMatchObject({ message });
    expect(attached.owner).toBeUndefined();
    expect((await attach({ client: "two" }).next(1))[0]?.[0]).toBe("hello");
  });

  test("gets the process's state, all output in order, its end and its exit, and acknowledges them", async () => {
    const { attach, print, hangUp, end, attached, agent, process } = start();
    print("stdout", "abc");
    print("stderr", "de");
    const client = attach();
    const [hello, ...data] = await client.next(3);
    expect(hello).toEqual([
      "hello",
      PROCESS,
      0,
      {
        ...{ version: 1, epoch: Buffer.from(agent.processes.epoch), stdout: state(0, 0), stderr: state(0, 0) },
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
    print("stdout", "f");
    expect(await client.next(1)).toEqual([["data", OUT, 3, "f"]]);
    hangUp("stdout");
    expect(await client.next(1)).toEqual([["eof", OUT, 4]]);
    await end({ code: 3, signal: 2, userMicros: 4, systemMicros: 5, maxRssKib: 6 });
    await settled();
    hangUp("stderr");
    const usage = { user_micros: 4, system_micros: 5, max_rss_kib: 6 };
    expect(await client.next(2)).toEqual([
      ["eof", ERR, 2],
      ["exit", PROCESS, 0, { code: 3, signal: 2, stdout: 4, stderr: 2, ...usage }],
    ]);
    expect(attached.owner).toBeDefined();
    client.send("ack", PROCESS, 0);
    await expect.poll(() => attached.owner).toBeUndefined();
    expect(await lastFrames(client)).toEqual([]);
    expect([attached.owner, agent.processes.find(process)]).toEqual([undefined, undefined]);
  });

  test("to a process that has ended gets its output and its exit at once", async () => {
    const { attach, print, hangUp, end } = start();
    print("stdout", "abc");
    hangUp();
    await end();
    const frames = (await attach().next(5)).slice(1);
    expect(frames.map(([type, stream, offset]) => [type, stream, offset])).toEqual([
      ["data", OUT, 0],
      ["eof", OUT, 3],
      ["eof", ERR, 0],
      ["exit", PROCESS, 0],
    ]);
  });

  test("continues at the byte it asks for, and is told which bytes are gone", async () => {
    const { attach, print, attached } = start();
    print("stdout", "abcdef");
    print("stderr", "uvwxyz");
    const first = attach();
    await first.next(3);
    first.send("ack", OUT, 2).send("ack", ERR, 2).send("ping", PROCESS, 0);
    await first.next(1);
    await first.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    const next = attach({ stdout_from: 1, stderr_from: 4, client: "two" });
    const [hello, ...others] = await next.next(4);
    expect(hello?.[3]).toMatchObject({ stdout: state(2, 6, 1), stderr: state(2, 6, 4) });
    expect(others).toEqual([
      ["gap", OUT, 1, { to: 2, reason: "they were acknowledged before" }],
      ["data", OUT, 2, "cdef"],
      ["data", ERR, 4, "yz"],
    ]);
    await next.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    expect(attached.stderr?.base).toBe(4);
    const anywhere = attach();
    expect((await anywhere.next(3)).slice(1)).toEqual([
      ["data", OUT, 2, "cdef"],
      ["data", ERR, 4, "yz"],
    ]);
  });

  test("may have bytes that this agent hasn't seen in the pipe yet, and not more than are printed", async () => {
    const { attach, print, attached } = start();
    print("stdout", "abcdef");
    const client = attach({ stdout_from: 4 });
    expect((await client.next(2))[1]).toEqual(["data", OUT, 4, "ef"]);
    expect([attached.stdout.base, attached.stdout.acked]).toEqual([4, 4]);
    await client.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    const message = "attach: output begins at byte 7: only 6 were printed";
    expect(await attach({ stdout_from: 7 }).failure()).toEqual(failure("invalid-argument", message));
    expect(attached.owner).toBeUndefined();
    expect((await attach({ stdout_from: 6 }).next(1))[0]?.[3]).toMatchObject({ stdout: state(4, 6, 6) });
  });

  test.each([
    [2, 4, "ef"],
    [6, 0, "abcdef"],
    [100, 0, "abcdef"],
  ])("begins with the last %i bytes that were printed", async (tail, offset, text) => {
    const { attach, print } = start();
    print("stdout", "abcdef");
    const [hello, data] = await attach({ tail }).next(2);
    expect(hello?.[3]).toMatchObject({ stdout: state(0, 0, offset), stderr: state(0, 0) });
    expect(data).toEqual(["data", OUT, offset, text]);
  });

  test("begins with what is printed from now on", async () => {
    const { attach, print } = start();
    print("stdout", "abc");
    const client = attach({ tail: 0 });
    expect(helloOf(await client.next(1))).toMatchObject({ stdout: state(0, 0, 3) });
    print("stdout", "d");
    expect(await client.next(1)).toEqual([["data", OUT, 3, "d"]]);
  });

  test("begins at a time, if the output has times, and gets them before the bytes", async () => {
    const { attach, print, attached } = start({ request: { kind: "spool", keepBytes: 0 } });
    print("stdout", "abc");
    await expect.poll(() => attached.stdout.end).toBe(3);
    const { ms } = attached.stdout.timeAt(0) ?? { ms: 0 };
    await expect.poll(() => Date.now() - ms).toBeGreaterThan(20);
    print("stdout", "de");
    await expect.poll(() => attached.stdout.end).toBe(5);
    const later = attached.stdout.timeAt(3)?.ms;
    const whole = attach({ times: true, since: 0 });
    const [hello, ...frames] = await whole.next(5);
    const spooled = { base: 0, end: 5, mode: 3, start: 0, keep_bytes: 1 << 20 };
    expect(hello?.[3]).toMatchObject({ stdout: spooled, stderr: { ...spooled, end: 0 } });
    expect(frames).toEqual([
      ["time", OUT, 0, { ms }],
      ["data", OUT, 0, "abc"],
      ["time", OUT, 3, { ms: later }],
      ["data", OUT, 3, "de"],
    ]);
    expect((await attach({ since: ms + 1 }).next(2))[1]).toEqual(["data", OUT, 3, "de"]);
  });

  test("is told how its output is kept", async () => {
    const { attach, attached } = start({ request: { kind: "ring", keepBytes: 16_384 } });
    const modes = async () => {
      const { stdout, stderr } = helloOf(await attach().next(1));
      return [stdout, stderr].map((each) => (each as { mode: number }).mode);
    };
    expect(await modes()).toEqual([2, 2]);
    attached.setHeld(true);
    expect(await modes()).toEqual([HOLD, HOLD]);
  });

  test("to a process with a terminal gets one output, and can't end the input", async () => {
    const { attach, print, hangUp, end } = start({ terminal: true });
    const client = attach();
    const hello = helloOf(await client.next(1));
    expect(hello).toMatchObject({ stdout: state(0, 0), stderr: null, terminal: true });
    print("stdout", "$ ");
    expect(await client.next(1)).toEqual([["data", OUT, 0, "$ "]]);
    const other = attach();
    await other.next(2);
    other.send("stdinEof", IN, 0);
    const message = "end input: a terminal has no end of input; send ^D";
    expect(await other.failure()).toEqual(failure("failed-precondition", message));
    hangUp();
    await end({ code: 1 });
    const exit = (await attach().next(4)).at(-1);
    expect(exit).toEqual([
      "exit",
      PROCESS,
      0,
      { code: 1, signal: 0, stdout: 2, stderr: 0, user_micros: 0, system_micros: 0, max_rss_kib: 0 },
    ]);
  });

  test("isn't attached if its connection closes while its process is being found", async () => {
    const { connect, attachBy, attached } = start();
    const found = Promise.withResolvers<typeof attached>();
    const finding = serveClient({ attaching: { find: () => found.promise }, kinds: ATTACHMENT_KINDS });
    attachBy(finding as ReturnType<typeof connect>);
    await settled();
    finding.carrier.destroy();
    found.resolve(attached);
    await settled();
    expect(attached.owner).toBeUndefined();
  });
});

describe("input", () => {
  test("is written in order, acknowledged, resumed at the byte the process has, and ended", async () => {
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
    expect(helloOf(await next.next(1))).toMatchObject({ stdin: 3, stdin_ended: false });
    next.send("stdin", IN, 3, Buffer.from("d")).send("stdinEof", IN, 4);
    await expect.poll(() => attached.stdin?.ended).toBe(true);
    expect(typed()).toBe("d");
    expect(calls.filter(([what]) => what !== "mode")).toEqual([
      ["input", "c", "x", "ab"],
      ["input", "c", "x", "c"],
      ["input", "c", "x", "d"],
      ["end", "c", "x"],
    ]);
    await next.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    expect(helloOf(await attach().next(1))).toMatchObject({ stdin: 4, stdin_ended: true });
  });

  test("is refused from the byte on that a process doesn't read any more, and its output continues", async () => {
    const { attach, hangUp, print } = start();
    hangUp("stdin");
    const client = attach();
    await client.next(1);
    client.send("stdin", IN, 0, Buffer.from("ab"));
    const reason = "write to stdin: EPIPE (the process no longer reads it)";
    expect(await client.next(1)).toEqual([["gap", IN, 0, { to: 0, reason }]]);
    print("stdout", "x");
    expect(await client.next(1)).toEqual([["data", OUT, 0, "x"]]);
  });

  test("that waits isn't written once another connection is attached, which sends it again", async () => {
    const { attach, typed } = start();
    const first = attach();
    first.send("stdin", IN, 0, Buffer.alloc(65_536, "a")).send("stdin", IN, 65_536, Buffer.alloc(100, "b"));
    expect((await first.next(2))[1]).toEqual(["stdinAck", IN, 65_536]);
    const second = attach();
    expect(helloOf(await second.next(1))).toMatchObject({ stdin: 65_536 });
    expect(typed()).toHaveLength(65_536);
    await settled();
    expect(typed()).toBe("");
    second.send("stdin", IN, 65_536, Buffer.from("c"));
    expect(await second.next(1)).toEqual([["stdinAck", IN, 65_537]]);
    expect(typed()).toBe("c");
  });

  test("of over 64 KiB that isn't acknowledged ends the attachment, and so does input after its end", async () => {
    const { attach, attached } = start();
    const piece = Buffer.alloc(65_536);
    const client = attach().send("stdin", IN, 0, piece);
    expect((await client.next(2))[1]).toEqual(["stdinAck", IN, 65_536]);
    client.send("stdin", IN, 65_536, piece).send("ping", PROCESS, 1);
    expect(await client.next(1)).toEqual([["pong", PROCESS, 1]]);
    client.send("stdin", IN, 131_072, Buffer.of(1));
    const line = "input at 131072: over 65536 bytes are not acknowledged; wait for STDIN_ACK";
    expect(await client.failure()).toEqual(failure("resource-exhausted", line));
    await client.closed;
    await expect.poll(() => attached.owner).toBeUndefined();
    const next = attach();
    expect(helloOf(await next.next(1))).toMatchObject({ stdin: 65_536 });
    next.send("stdin", IN, 65_536, Buffer.of(1)).send("stdinEof", IN, 65_537).send("stdin", IN, 65_537, Buffer.of(1));
    expect(await next.failure()).toEqual(failure("failed-precondition", "input at 65537: the input has ended"));
  });
});

describe("an attachment ends", () => {
  test("when another client takes the process over, and only then", async () => {
    const { attach, attached } = start();
    const first = attach();
    await first.next(1);
    const message = "attach: another client is attached; set takeover to replace it";
    expect(await attach({ client: "two" }).failure()).toEqual(failure("failed-precondition", message));
    expect(await first.next(1)).toEqual([["ping", PROCESS, 0]]);
    first.send("pong", PROCESS, 0).send("ping", PROCESS, 1);
    expect(await first.next(1)).toEqual([["pong", PROCESS, 1]]);
    const third = attach({ client: "three", takeover: true });
    await third.next(1);
    expect(await first.next(1)).toEqual([["takenOver", PROCESS, 0]]);
    first.send("ping", PROCESS, 2).send("ack", OUT, 100);
    expect(await lastFrames(first)).toEqual([]);
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
    print("stdout", "x");
    expect(await second.next(1)).toEqual([["data", OUT, 0, "x"]]);
    expect(await lastFrames(first)).toEqual([]);
    second.send("ping", PROCESS, 3);
    expect(await second.next(1)).toEqual([["pong", PROCESS, 3]]);
    expect(attached.owner?.client).toBe("one");
  });

  test("not when the client that wants its place may not set the mode", async () => {
    const { attach, attached, calls } = start({ refuse: "mode" });
    const owner = { client: "one", replaced: () => calls.push(["replaced"]), removed: () => {}, probe: () => {} };
    attached.owner = owner;
    const message = "mode: denied by policy";
    expect(await attach({ takeover: true }).failure()).toEqual(failure("permission-denied", message));
    expect([attached.owner, calls]).toEqual([owner, [["mode", "one"]]]);
    attached.owner = undefined;
  });

  test("when the process is removed, before its exit is sent", async () => {
    const { attach, process, hangUp, end } = start();
    hangUp();
    const client = attach();
    await client.next(3);
    await end({ code: 137 });
    process.destroy();
    expect(await client.failure()).toEqual(failure("not-found", "attach: the process was removed"));
  });

  test("when the client leaves for good", async () => {
    const { attach, attached, calls } = start();
    const client = attach();
    await client.next(1);
    client.send("leave", PROCESS, 0);
    expect(await client.rest()).toEqual([]);
    expect([attached.owner, calls.at(-1)]).toEqual([undefined, ["leave"]]);
  });

  test("once, although its connection closes afterwards", async () => {
    const { attach, attached } = start();
    const client = attach();
    await client.next(1);
    const { owner } = attached;
    owner?.replaced("one");
    const next = { client: "two", replaced: () => {}, removed: () => {}, probe: () => {} };
    attached.owner = next;
    expect(await lastFrames(client)).toEqual([]);
    expect(attached.owner).toBe(next);
    attached.owner = undefined;
  });

  test.each(["input", "end", "resize", "signal"])("when the policy denies its call: %s", async (refuse) => {
    const { attach, attached, typed } = start({ refuse });
    const client = attach();
    await client.next(1);
    if (refuse === "input") client.send("stdin", IN, 0, Buffer.from("a"));
    if (refuse === "end") client.send("stdinEof", IN, 0);
    if (refuse === "resize") client.send("resize", PROCESS, 0, messages.resize.encode({ rows: 1, columns: 1 }));
    if (refuse === "signal") client.send("signal", PROCESS, 0, messages.signal.encode({ number: 1 }));
    expect(await client.failure()).toEqual(failure("permission-denied", `${refuse}: denied by policy`));
    await client.closed;
    expect([attached.owner, attached.stdin?.ended, typed()]).toEqual([undefined, false, ""]);
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
    print("stdout", "abc");
    const client = attach();
    await client.next(2);
    if (Buffer.isBuffer(frame)) client.raw(frame);
    else client.send(...frame);
    expect(await client.failure()).toEqual({ kind: "invalid-argument", message: expect.stringContaining(message) });
    await client.closed;
    expect(attached.owner).toBeUndefined();
  });

  test("never by a resize, a signal, or an answer that nobody asked for", async () => {
    const { attach, calls } = start();
    const client = attach()
      .send("pong", PROCESS, 1)
      .send("resize", PROCESS, 0, messages.resize.encode({ rows: 3, columns: 4 }))
      .send("signal", PROCESS, 0, messages.signal.encode({ number: 15 }))
      .send("ping", PROCESS, 2);
    expect((await client.next(2))[1]).toEqual(["pong", PROCESS, 2]);
    expect(calls).toEqual([
      ["mode", "one"],
      ["resize", "x", 3, 4],
      ["signal", "x", 15],
    ]);
  });
});

describe("a client that another one wants to replace", () => {
  test("loses its place if it doesn't answer a ping within a second", async () => {
    const { attach, attached } = start();
    const first = attach();
    await first.next(1);
    attached.owner?.probe();
    expect(await first.next(1)).toEqual([["ping", PROCESS, 0]]);
    vi.advanceTimersByTime(999);
    expect(attached.owner).toBeDefined();
    attached.owner?.probe(); // gives it no more time
    vi.advanceTimersByTime(1);
    expect(attached.owner).toBeUndefined();
    expect(await first.rest()).toEqual([]);
  });

  test("keeps its place with any frame", async () => {
    const { attach, attached } = start();
    const first = attach();
    await first.next(1);
    attached.owner?.probe();
    first.send("ping", PROCESS, 5);
    expect(await first.next(2)).toEqual([
      ["ping", PROCESS, 0],
      ["pong", PROCESS, 5],
    ]);
    vi.advanceTimersByTime(1000);
    expect(attached.owner).toBeDefined();
  });

  test("leaves no timer", async () => {
    const { attach, attached } = start();
    const first = attach();
    await first.next(1);
    const before = vi.getTimerCount();
    attached.owner?.probe();
    expect(vi.getTimerCount()).toBe(before + 1);
    await first.close();
    await expect.poll(() => attached.owner).toBeUndefined();
    expect(vi.getTimerCount()).toBe(before);
  });
});

describe("an observer", () => {
  /** An owner, who has acknowledged two of four bytes, and an observer. */
  async function observed(fields: Parameters<typeof messages.attach.encode>[0] = {}) {
    const started = start();
    started.print("stdout", "abcd");
    const owner = started.attach();
    await owner.next(2);
    const connection = started.connect();
    const observer = started.attachBy(connection, { client: "two", observe: true, ...fields });
    return { ...started, owner, observer, connection };
  }

  test("gets what the owner gets, from the first byte that is kept, and the exit", async () => {
    const { observer, owner, attached, print, hangUp, end } = await observed();
    expect((await observer.next(2))[1]).toEqual(["data", OUT, 0, "abcd"]);
    owner.send("ack", OUT, 2).send("ping", PROCESS, 1);
    await owner.next(1);
    observer.send("ack", OUT, 4).send("pong", PROCESS, 0).send("ping", PROCESS, 3);
    expect(await observer.next(1)).toEqual([["pong", PROCESS, 3]]);
    expect([attached.stdout.acked, attached.owner?.client]).toEqual([2, "one"]);
    print("stderr", "e");
    expect(await observer.next(1)).toEqual([["data", ERR, 0, "e"]]);
    hangUp();
    await end();
    const ends = await observer.next(3);
    expect(ends.map(([type]) => type).sort()).toEqual(["eof", "eof", "exit"]);
    const timers = vi.getTimerCount();
    observer.send("ack", PROCESS, 0);
    await expect.poll(() => vi.getTimerCount()).toBe(timers + 1); // until the observer closes
    expect(await lastFrames(observer)).toEqual([]);
    expect(attached.owner?.client).toBe("one");
  });

  test.each<Parameters<typeof encodeStreamFrame>>([
    ["stdin", IN, 0, Buffer.from("a")],
    ["stdinEof", IN, 0],
    ["signal", PROCESS, 0, messages.signal.encode({ number: 9 })],
    ["resize", PROCESS, 0, messages.resize.encode({ rows: 1, columns: 1 })],
    ["attach", PROCESS, 0, messages.attach.encode({ version: 1 })],
  ])("may not send %s", async (...frame) => {
    const { observer, calls, attached } = await observed();
    await observer.next(2);
    observer.send(...frame);
    const message = `frame ${frame[0]}: the client is an observer; attach without observe`;
    expect(await observer.failure()).toEqual(failure("failed-precondition", message));
    expect([calls, attached.owner?.client]).toEqual([[["mode", "one"]], "one"]);
  });

  test("that leaves is waited for no longer, unlike one that was cut off", async () => {
    const { observer, attached } = await observed();
    await observer.next(1);
    observer.send("leave", PROCESS, 0);
    await observer.rest();
    const released = vi.fn();
    attached.release(released);
    expect(released).toHaveBeenCalledOnce();
  });

  test("that was cut off, or still reads, is waited for after the owner's end", async () => {
    const { observer, attached } = await observed();
    await observer.next(1);
    const released = vi.fn();
    attached.release(released);
    await observer.close();
    await settled();
    expect([released.mock.calls.length, attached.isReleased]).toEqual([0, true]);
    const again = start();
    expect(again.attached.isReleased).toBe(false);
  });

  test("may begin at a byte, or with the last ones, and begins without an owner", async () => {
    const { attach, print, attached } = start();
    print("stdout", "abcd");
    const observe = { observe: true, client: "two" };
    expect((await attach({ ...observe, stdout_from: 1 }).next(2))[1]).toEqual(["data", OUT, 1, "bcd"]);
    expect((await attach({ ...observe, tail: 1 }).next(2))[1]).toEqual(["data", OUT, 3, "d"]);
    expect([attached.owner, attached.stdout.acked]).toEqual([undefined, 0]);
  });

  test("gets a gap instead of bytes that were dropped", async () => {
    const { attach, print, attached } = start();
    print("stdout", "abcd");
    attached.stdout.available(0);
    attached.stdout.acknowledge(3);
    const [, gap, data] = await attach({ observe: true, stdout_from: 1 }).next(3);
    expect(gap).toEqual(["gap", OUT, 1, { to: 3, reason: "they were acknowledged before" }]);
    expect(data).toEqual(["data", OUT, 3, "d"]);
  });
});

describe("a client can't own a process", () => {
  test("whose end was acknowledged", async () => {
    const { attach, attached } = start();
    const leave = attached.observe({ client: "o", removed: () => undefined });
    const released = vi.fn();
    attached.release(released);
    const message = "attach: a client has acknowledged the process's end";
    expect(await attach().failure()).toEqual(failure("not-found", message));
    expect(attached.owner).toBeUndefined();
    leave(true);
    expect(released).toHaveBeenCalledOnce();
  });

  test("of a removed container", async () => {
    const { attached, attach } = start();
    Object.defineProperty(attached, "stdin", { value: undefined });
    const message = "attach: the container was removed; its log can be observed";
    expect(await attach().failure()).toEqual(failure("not-found", message));
    const hello = helloOf(await attach({ observe: true }).next(1));
    expect(hello).toMatchObject({ stdin: 0, stdin_ended: true });
  });
});
