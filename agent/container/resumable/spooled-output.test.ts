import { describe, expect, test, vi } from "vitest";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { closedPlayers } from "./testing/closed-players.ts";

leavesNoDescriptors();
const never = new AbortController().signal;
const KEEP = 16_384;
const RING = { kind: "ring", keepBytes: KEEP } as const;
const SPOOL = { kind: "spool", keepBytes: KEEP } as const;
const { agent, play } = closedPlayers();

const owner = () => ({ client: "c", replaced: vi.fn(), removed: vi.fn(), probe: vi.fn() });

describe("output in a file", () => {
  test("is taken without a client, and the last bytes stay when they are acknowledged", async () => {
    const played = play();
    const { stdout } = agent().add(played, RING);
    const pump = vi.fn();
    stdout.watch({ pump, onLost: () => undefined });
    played.print("stdout", "abc");
    await expect.poll(() => stdout.end).toBe(3);
    expect(pump).toHaveBeenCalled();
    expect([stdout.base, stdout.acked, stdout.printed, stdout.available(1), stdout.isOver(3)]).toEqual([
      0,
      0,
      3,
      2,
      false,
    ]);
    stdout.acknowledge(2);
    stdout.acknowledge(1);
    expect([stdout.acked, String(stdout.copy(0, 9)).slice(0, 3)]).toEqual([2, "abc"]);
    expect(() => stdout.acknowledge(4)).toThrow("acknowledge byte 4: only 3 bytes were sent");
    played.print("stdout", "x".repeat(KEEP));
    await expect.poll(() => stdout.end).toBe(KEEP + 3);
    expect([stdout.base, stdout.keepBytes, stdout.gapReason]).toEqual([
      3,
      KEEP,
      `only the last ${KEEP} bytes are kept`,
    ]);
    played.hangUp("stdout");
    await expect.poll(() => stdout.isOver(KEEP + 3)).toBe(true);
    expect(stdout.isOver(KEEP + 2)).toBe(false);
  });

  test("waits in the pipe while it is held and its file is full, and continues as the client acknowledges", async () => {
    const played = play();
    const attached = agent().add(played, RING);
    attached.setHeld(true);
    const { stdout } = attached;
    played.print("stdout", "x".repeat(KEEP + 10));
    await expect.poll(() => stdout.end).toBe(KEEP);
    expect([stdout.base, stdout.printed]).toEqual([0, KEEP + 10]);
    stdout.acknowledge(4);
    await expect.poll(() => stdout.end).toBe(KEEP + 4);
    expect(stdout.base).toBe(4);
    attached.setHeld(false);
    await expect.poll(() => stdout.end).toBe(KEEP + 10);
  });

  test("has times in a spool, and none in a ring", async () => {
    const [ring, spool] = [play(), play()];
    const { add } = agent();
    const outputs = [add(ring, RING).stdout, add(spool, SPOOL).stdout] as const;
    const before = Date.now();
    for (const { print } of [ring, spool]) print("stdout", "abc");
    for (const output of outputs) await expect.poll(() => output.end).toBe(3);
    expect(outputs[0].timeAt(0)).toBeUndefined();
    expect(outputs[1].timeAt(2)?.ms).toBeGreaterThanOrEqual(before);
    expect([outputs[0].since(0), outputs[1].since(0), outputs[1].since(Date.now() + 1000)]).toEqual([3, 0, 3]);
  });

  test("is taken to the end when the process is removed", () => {
    const played = play();
    const { stdout } = agent().add(played, RING);
    played.print("stdout", "abc");
    const ends: number[] = [];
    stdout.watch({ pump: () => void ends.push(stdout.end), onLost: () => undefined });
    played.process.destroy();
    expect(ends).toContain(3);
  });

  test("is found by the next agent at its positions", async () => {
    const played = play();
    const first = agent();
    const attached = first.add(played, RING);
    played.print("stdout", "abcdef");
    await expect.poll(() => attached.stdout.end).toBe(6);
    attached.stdout.acknowledge(2);
    attached.close();
    await new Promise(setImmediate);
    const left = [{ container: "c", process: played.process }];
    const second = agent({ ledger: first.ledger, directory: first.directory, left });
    const restored = second.processes.find(played.process);
    expect([restored?.stdout.end, restored?.stdout.acked, restored?.mode.kind]).toEqual([6, 2, "ring"]);
    expect(String(restored?.stdout.copy(0, 6))).toBe("abcdef");
    restored?.close();
  });
});

describe("the log of a container", () => {
  const startLog = (parts: { terminal?: boolean } = {}) => {
    const logging = agent();
    const played = play(parts);
    logging.processes.log("box", played.process, KEEP);
    const attached = logging.processes.find(played.process);
    if (attached === undefined) throw new Error("no log");
    return { ...logging, ...played, attached };
  };

  test("drops nothing in its first two seconds, in which the process waits", () => {
    const { attached } = startLog();
    expect([attached.isLog, attached.mode]).toEqual([true, { kind: "spool", isHeld: true, keeper: "new" }]);
    expect([attached.stdout.keepBytes, attached.isLeft]).toEqual([KEEP, false]);
    vi.advanceTimersByTime(1999);
    expect(attached.mode.isHeld).toBe(true);
    vi.advanceTimersByTime(1);
    expect(attached.mode).toEqual({ kind: "spool", isHeld: false, keeper: "log" });
  });

  test("that a client holds stays held, and is begun once", () => {
    const { attached, processes, process, ledger } = startLog();
    attached.setHeld(true);
    expect(attached.mode).toEqual({ kind: "spool", isHeld: true, keeper: "log" });
    vi.advanceTimersByTime(2000);
    expect(attached.mode.isHeld).toBe(true);
    processes.log("box", process, KEEP);
    expect(ledger.places).toHaveLength(1);
    processes.release(attached); // the end was acknowledged: the log stays
    expect([processes.find(process), attached.mode.isHeld, process.waited]).toEqual([attached, false, true]);
  });

  test("has at least 16 KiB", () => {
    const { processes } = agent();
    const { process } = play();
    processes.log("box", process, 1);
    expect(processes.find(process)?.stdout.keepBytes).toBe(KEEP);
  });

  test("stays ten minutes after the container's removal, for observers", async () => {
    const { attached, processes, process, print, end, ledger, hangUp } = startLog();
    print("stdout", "abc");
    await expect.poll(() => attached.stdout.end).toBe(3);
    const client = owner();
    attached.owner = client;
    hangUp();
    await end({ code: 4 });
    expect(processes.logs.find("box")).toBeUndefined();
    process.destroy();
    expect(processes.logs.find("box")).toBe(attached);
    expect([client.removed.mock.calls.length, processes.find(process)]).toEqual([1, undefined]);
    expect([
      attached.mode.keeper,
      attached.isLog,
      String(attached.stdout.copy(0, 3)),
      attached.stdout.isOver(3),
    ]).toEqual(["remains", false, "abc", true]);
    const observer = { client: "o", removed: vi.fn() };
    attached.observe(observer);
    vi.advanceTimersByTime(599_999);
    expect(observer.removed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    const message = "logs: the container was removed, and its log is no longer kept";
    expect(observer.removed.mock.calls[0]?.[0]).toMatchObject({ kind: "not-found", message });
    expect([processes.logs.find("box"), ledger.places]).toEqual([undefined, []]);
  });

  test("that is empty, or whose process hasn't ended, isn't kept", async () => {
    const { processes, process, end, ledger } = startLog();
    await end();
    process.destroy();
    const running = startLog();
    running.print("stdout", "abc");
    await expect.poll(() => running.attached.stdout.end).toBe(3);
    running.process.destroy();
    expect([processes.logs.find("box"), ledger.places]).toEqual([undefined, []]);
    expect([running.processes.logs.find("box"), running.ledger.places]).toEqual([undefined, []]);
  });

  test("of a removed container is restored by the next agent, the last one of an id", async () => {
    const first = startLog({ terminal: true });
    first.print("stdout", "abc");
    await expect.poll(() => first.attached.stdout.end).toBe(3);
    await first.end({ code: 4, signal: 2 });
    first.process.destroy();
    first.attached.close();
    await new Promise(setImmediate);
    const { processes, ledger } = agent({ ledger: first.ledger, directory: first.directory });
    const restored = processes.logs.find("box");
    expect(restored?.process).toMatchObject({
      execId: "",
      terminal: true,
      waited: true,
      status: { code: 4, signal: 2 },
    });
    expect([restored?.stderr, restored?.stdin, restored?.sources]).toEqual([undefined, undefined, []]);
    expect([String(restored?.stdout.copy(0, 3)), restored?.stdout.printed]).toEqual(["abc", 3]);
    expect(processes.logs.find("other")).toBeUndefined();
    expect([processes.logs.dropOldest(), processes.logs.dropOldest(), ledger.places]).toEqual([true, false, []]);
  });

  test("is given to the calls that read the output, before what follows", async () => {
    const { attached, processes, process, print, ledger, hangUp } = startLog();
    print("stdout", "abc");
    await expect.poll(() => attached.stdout.end).toBe(3);
    const observer = { client: "o", removed: vi.fn() };
    attached.observe(observer);
    const stdout = process.output("stdout");
    const read = async () => {
      const data = await stdout.read(2, never);
      stdout.delivered(data);
      return String(data);
    };
    expect(await read()).toBe("ab");
    const message = "logs: the host reads the output by calls";
    expect(observer.removed.mock.calls[0]?.[0]).toMatchObject({ kind: "failed-precondition", message });
    expect([processes.find(process), ledger.mode(0).keeper, ledger.acked(0, 0)]).toEqual([undefined, "given", 2]);
    print("stdout", "de");
    expect([await read(), await read()]).toEqual(["c", "de"]);
    hangUp();
    expect([await read(), (await process.output("stderr").read(9, never)).length]).toEqual(["", 0]);
    process.destroy();
    expect(ledger.places).toEqual([]);
  });

  test("isn't given to calls while a client is attached", async () => {
    const { attached, process } = startLog();
    attached.owner = owner();
    const message = "read output: clients attach to it; attach as well";
    await expect(process.output("stdout").read(2, never)).rejects.toThrow(message);
    attached.owner = undefined;
  });

  test("that calls were reading goes on with the next agent at the byte that they had", async () => {
    const first = startLog();
    first.print("stdout", "abcdef");
    await expect.poll(() => first.attached.stdout.end).toBe(6);
    const { ledger, directory } = first;
    first.attached.close();
    await new Promise(setImmediate);
    ledger.setMode(0, { kind: "spool", isHeld: false, keeper: "given" });
    ledger.setAcked(0, 0, 4);
    agent({ ledger, directory, left: [{ container: "box", process: first.process }] });
    expect(String(await first.process.output("stdout").read(9, never))).toBe("ef");
  });
});
