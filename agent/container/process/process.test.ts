import { describe, expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import type { ExitStatus, Fd, KeptFds, RestoredProcess } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { openDescriptors } from "../../kernel/testing/open-descriptors.ts";
import { type PassedStdio, PassedStream } from "../passfd/passed-stream.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { Process } from "./process.ts";

leavesNoDescriptors();
const never = new AbortController().signal;
const kernel = testKernel();
const { sys, init } = kernel;

const ENDED: ExitStatus = { code: 3, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
let ids = 100;

/** A process with pipes whose other ends the test holds. */
function start(roles: readonly (keyof KeptFds)[] = ["stdin", "stdout", "stderr"], of = kernel, passed?: PassedStdio) {
  const id = ++ids;
  const fds: Record<string, Fd> = {};
  const others: Record<string, Fd> = {};
  for (const role of roles) {
    const { read, write } = sys.pipe();
    const ours = role === "stdin" || role === "release" ? write : read;
    fds[role] = ours;
    others[role] = ours === write ? read : write;
  }
  const exit = Promise.withResolvers<ExitStatus>();
  const { read: pidfd, write } = sys.pipe();
  sys.close(write);
  const process = new Process(of, "x", { id, pid: 1, pidfd, exit: exit.promise }, fds, false, passed);
  return { id, process, others, hangUp: () => Object.values(others).forEach(sys.close), end: exit.resolve };
}

const callsOf = (id: number) =>
  init.calls.filter(([, of]) => of === id).map(([name, , role]) => [name, role].join(" ").trim());

test("every waiter gets the status, even a late one", async () => {
  const { process, end, hangUp } = start();
  const early = [process.wait(never), process.wait(never)];
  end(ENDED);
  expect([...(await Promise.all(early)), await process.wait(never)].map(({ code }) => code)).toEqual([3, 3, 3]);
  process.destroy();
  hangUp();
});

test("a cancelled waiter leaves nothing behind and does not affect the others", async () => {
  const { process, end, hangUp } = start();
  const patience = new AbortController();
  const [impatient, patient] = [process.wait(patience.signal), process.wait(never)];
  patience.abort(new Error("deadline"));
  await expect(impatient).rejects.toThrow("deadline");
  await expect(process.wait(patience.signal)).rejects.toThrow("deadline");
  end(ENDED);
  expect((await patient).code).toBe(3);
  process.destroy();
  hangUp();
});

test("init forgets a process once it was waited for and its output was delivered, not before", async () => {
  const { id, process, end, hangUp, others } = start();
  sys.write(others["stdout"] ?? -1, Buffer.from("rest"));
  end(ENDED);
  await process.exit;
  hangUp();
  process.markWaited();
  expect([process.finished, callsOf(id)]).toEqual([false, []]);
  const output = process.output("stdout");
  output.unread(await output.read(10, never));
  const data = await output.read(10, never);
  expect(data.toString()).toBe("rest");
  const next = process.output("stdout").read(10, never);
  await new Promise(setImmediate);
  expect([output.open, process.finished, callsOf(id)]).toEqual([false, false, []]);
  output.delivered(data);
  expect([process.finished, callsOf(id), (await next).length]).toEqual([true, ["forget"], 0]);
  expect(() => process.output("stdout")).toThrow("process not found");
});

test("after the wait, writing to stdin, resizing and signalling report that the process is not found", async () => {
  const { process, end, hangUp } = start();
  end(ENDED);
  await process.exit;
  hangUp();
  process.markWaited();
  expect(() => process.input).toThrow('process not found: "x" (it was waited for)');
  expect(() => process.resize(1, 1)).toThrow("process not found");
});

test("a process whose end init has not reported yet ignores signals silently", async () => {
  const signal = () => {
    throw new SystemError("send signal 15 to", 3, "pidfd 41");
  };
  const { process, end, hangUp } = start([], testKernel({ sys: { signal } }));
  process.signal(15);
  process.kill();
  end(ENDED);
  await process.exit;
  process.destroy();
  hangUp();
});

test("a process that had ended before init adopted it ignores signals silently", async () => {
  const exit = Promise.withResolvers<ExitStatus>();
  const process = Process.take(kernel, "x", { id: ++ids, pid: 1, pidfd: undefined, exit: exit.promise }, {});
  process.signal(15);
  process.kill();
  expect(kernel.signals).toEqual([]);
  exit.resolve(ENDED);
  expect(await process.exit).toEqual(ENDED);
  process.destroy();
});

test("an ended process ignores signals silently and holds no pidfd", async () => {
  const before = openDescriptors();
  const { process, end, hangUp } = start([]);
  end(ENDED);
  await process.exit;
  process.signal(9);
  expect(kernel.signals).toEqual([]);
  expect(openDescriptors()).toBe(before);
  process.destroy();
  hangUp();
});

test("closing the input closes the copy that init keeps as well", async () => {
  const { id, process, hangUp, others, end } = start();
  await process.closeInput(never);
  expect(callsOf(id)).toEqual(["closeKept stdin"]);
  expect(sys.read(others["stdin"] ?? -1, new Uint8Array(1))).toBe(0);
  end(ENDED);
  process.destroy();
  hangUp();
});

test("closing both pipes of the start takes one message to init", () => {
  const { id, process, hangUp } = start(["release", "report"]);
  process.closeStartFds();
  expect(callsOf(id)).toEqual(["closeKept release"]);
  process.destroy();
  hangUp();
});

test("an output to which a grandchild keeps writing is closed in init as well", async () => {
  const { id, process, end, hangUp } = start(["stdout"]);
  end(ENDED);
  expect(await process.output("stdout").read(1, never)).toHaveLength(0);
  expect(callsOf(id)).toEqual(["closeKept stdout"]);
  process.destroy();
  hangUp();
});

test("destroying a process twice closes everything once", () => {
  const { id, process, hangUp } = start(["stdin", "stdout", "stderr", "release", "report"]);
  process.destroy();
  process.destroy();
  expect(callsOf(id)).toEqual(["forget"]);
  hangUp();
});

test("the host writes stdin by calls if only the outputs have streams", async () => {
  const { read: stdin, write } = sys.pipe();
  const { read: pidfd, write: other } = sys.pipe();
  const launched = { id: ++ids, pid: 1, pidfd, exit: new Promise<ExitStatus>(() => undefined) };
  const process = new Process(kernel, "x", launched, { stdin: write }, false, {});
  await process.input.write(Buffer.from("typed"), never);
  await process.closeInput(never);
  const into = Buffer.alloc(8);
  expect([sys.read(stdin, into), sys.read(stdin, into), callsOf(ids)]).toEqual([5, 0, ["closeKept stdin"]]);
  process.destroy();
  for (const fd of [stdin, other]) sys.close(fd);
});

test("a process without a terminal can't be resized", () => {
  const { process, hangUp } = start();
  expect(() => process.resize(1, 1)).toThrow("resize of x: it has no tty");
  process.destroy();
  hangUp();
});

test("a process that ended before this agent started has its status at once", async () => {
  const { read: pidfd, write } = sys.pipe();
  sys.close(write);
  const restored: RestoredProcess = {
    id: ++ids,
    pid: 1,
    pidfd,
    exit: Promise.resolve(ENDED),
    label: "",
    kept: {},
    exited: ENDED,
  };
  const process = Process.restore(kernel, "x", restored);
  expect(process.status).toEqual(ENDED);
  process.markWaited();
  expect([process.finished, callsOf(ids)]).toEqual([true, ["forget"]]);
  await process.exit;
});

test("a process whose descriptors can't be used is killed and forgotten, and they are closed", () => {
  const signals: unknown[] = [];
  const refuse = () => {
    throw new SystemError("set non-blocking", 9, "");
  };
  const broken = testKernel({
    sys: { setNonBlocking: refuse, signal: (fd, number) => void signals.push([fd, number]) },
  });
  const [pidfd, stdout] = [sys.pipe(), sys.pipe()];
  for (const fd of [pidfd.write, stdout.write]) sys.close(fd);
  const launched = { id: ++ids, pid: 1, pidfd: pidfd.read, exit: new Promise<ExitStatus>(() => {}) };
  expect(() => Process.take(broken, "x", launched, { stdout: stdout.read })).toThrow("set non-blocking");
  expect([signals, broken.init.calls]).toEqual([[[pidfd.read, 9]], [["forget", ids]]]);
});

test("a process that had ended before init adopted it is forgotten if its descriptors can't be used", () => {
  const refuse = () => {
    throw new SystemError("set non-blocking", 9, "");
  };
  const broken = testKernel({ sys: { setNonBlocking: refuse } });
  const { read, write } = sys.pipe();
  sys.close(write);
  const ended = { id: ++ids, pid: 1, pidfd: undefined, exit: new Promise<ExitStatus>(() => {}) };
  expect(() => Process.take(broken, "x", ended, { stdout: read })).toThrow("set non-blocking");
  expect(broken.init.calls).toEqual([["forget", ids]]);
});

test("the pidfd of an ended process is gone", async () => {
  const { process, end, hangUp } = start([]);
  expect(process.pidfd).toBeGreaterThan(0);
  end(ENDED);
  await process.exit;
  expect(() => process.pidfd).toThrow('process not found: "x" (its pidfd is closed)');
  process.destroy();
  hangUp();
});

test("a terminal can be resized until its output has ended", async () => {
  const sizes: unknown[] = [];
  const setWindowSize = (fd: Fd, rows: number, columns: number) => void sizes.push([fd, rows, columns]);
  const { process, hangUp } = start(["terminal"], testKernel({ sys: { setWindowSize } }));
  process.resize(30, 100);
  expect(sizes).toEqual([[expect.any(Number), 30, 100]]);
  hangUp();
  expect(await process.output("stdout").read(1, never)).toHaveLength(0);
  process.resize(1, 1);
  expect(sizes).toHaveLength(1);
  process.destroy();
});

test("the end of a terminal's output closes its input, and init's copy of the terminal", async () => {
  const { id, process, end, hangUp } = start(["terminal"]);
  expect(process.output("stderr")).toBe(process.output("stdout"));
  hangUp();
  expect(await process.output("stdout").read(1, never)).toHaveLength(0);
  expect(callsOf(id)).toEqual(["closeKept terminal"]);
  await expect(process.input.write(Buffer.from("x"), never)).rejects.toThrow();
  end(ENDED);
  process.destroy();
});

test("closing the input of a terminal keeps init's copy of the terminal", async () => {
  const writeNoted = (_: Fd, data: Uint8Array) => data.length;
  const { id, process, hangUp } = start(["terminal"], testKernel({ sys: { writeNoted } }));
  await process.closeInput(never);
  expect(callsOf(id)).toEqual([]);
  process.destroy();
  hangUp();
});

describe("a process whose stdio goes to the host's streams", () => {
  /** Streams for stdin and stdout, with the host's ends. */
  function streams() {
    const [stdinHost, stdin] = socketPair();
    const [stdoutHost, stdout] = socketPair();
    const passed: PassedStdio = {
      stdin: new PassedStream(kernel, "passfd:1:1", 1, stdin),
      stdout: new PassedStream(kernel, "passfd:2:2", 2, stdout),
    };
    return { passed, stdinHost, stdoutHost };
  }
  const socketPair = () => {
    const pair = openSys().socketPair("stream");
    for (const fd of pair) sys.setNonBlocking(fd);
    return pair;
  };

  test("has no input and output for calls, which name the stream's port", () => {
    const { passed, stdinHost, stdoutHost } = streams();
    const { process, hangUp } = start(undefined, kernel, passed);
    expect(() => process.output("stdout")).toThrow(
      'cannot get stream reader: stdout of "x" has its own stream, port 2',
    );
    expect(() => process.output("stderr")).toThrow(
      'cannot get stream reader: stderr of "x" is discarded because no port was given',
    );
    expect(() => process.input).toThrow('write to stdin: stdin of "x" has its own stream, port 1');
    expect(process.streamNames).toEqual(["passfd:1:1", "passfd:2:2"]);
    process.destroy();
    hangUp();
    for (const fd of [stdinHost, stdoutHost]) sys.close(fd);
  });

  test("has stdin closed for good by CloseStdin, in init as well", async () => {
    const { passed, stdinHost, stdoutHost } = streams();
    const { id, process, others, hangUp } = start(undefined, kernel, passed);
    await process.closeInput(never);
    expect(sys.read(others["stdin"] ?? -1, new Uint8Array(1))).toBe(0);
    expect(callsOf(id)).toEqual(["closeKept stdin"]);
    process.destroy();
    hangUp();
    for (const fd of [stdinHost, stdoutHost]) sys.close(fd);
  });

  test("is drained once its streams have ended", async () => {
    const { passed, stdinHost, stdoutHost } = streams();
    const { process, others, hangUp } = start(undefined, kernel, passed);
    sys.write(others["stdout"] ?? -1, Buffer.from("said"));
    let isDrained = false;
    const drained = process.drained().then(() => (isDrained = true));
    await new Promise(setImmediate);
    expect(isDrained).toBe(false);
    hangUp();
    await drained;
    const into = Buffer.alloc(9);
    expect([sys.read(stdoutHost, into), into.toString("latin1", 0, 4)]).toEqual([4, "said"]);
    process.destroy();
    for (const fd of [stdinHost, stdoutHost]) sys.close(fd);
  });

  test("has no names of streams, and is drained at once, if there are none", async () => {
    const { process, hangUp } = start();
    expect(process.streamNames).toEqual([]);
    await process.drained();
    process.destroy();
    hangUp();
  });
});
