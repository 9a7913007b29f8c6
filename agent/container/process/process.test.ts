import { expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import type { ExitStatus, Fd, KeptFds, RestoredProcess } from "../../kernel/kernel.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { openDescriptors } from "../../kernel/testing/open-descriptors.ts";
import { PassedStream } from "../passfd/passed-stream.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { Process } from "./process.ts";

leavesNoDescriptors();
const never = new AbortController().signal;
const kernel = testKernel();
const { sys, init } = kernel;

const ENDED: ExitStatus = { code: 3, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
let ids = 100;

/** A process with pipes whose other ends the test holds. */
function start(roles: readonly (keyof KeptFds)[] = ["stdin", "stdout", "stderr"], of = kernel) {
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
  const process = new Process(of, "x", { id, pid: 1, pidfd, exit: exit.promise }, fds);
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

test("init forgets a process once it was waited for and its output was read, not before", async () => {
  const { id, process, end, hangUp, others } = start();
  sys.write(others["stdout"] ?? -1, Buffer.from("rest"));
  end(ENDED);
  await process.exit;
  hangUp();
  process.markWaited();
  expect([process.finished, callsOf(id)]).toEqual([false, []]);
  expect((await process.output("stdout").read(10, never)).toString()).toBe("rest");
  expect(await process.output("stdout").read(10, never)).toHaveLength(0);
  expect([process.finished, callsOf(id)]).toEqual([true, ["forget"]]);
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

test("output that goes to the host's stream, and input from one, refuse calls by name", () => {
  const { read, write } = sys.pipe();
  const streams = {
    stdin: new PassedStream(kernel, "passfd:7:1", 7, undefined),
    stdout: new PassedStream(kernel, "passfd:8:2", 8, undefined),
  };
  const launched = { id: ++ids, pid: 1, pidfd: read, exit: new Promise<ExitStatus>(() => undefined) };
  const process = new Process(kernel, "x", launched, {}, false, streams);
  expect(process.streamNames).toEqual(["passfd:7:1", "passfd:8:2"]);
  expect(() => process.input).toThrow('write to stdin: stdin of "x" has its own stream, port 7');
  expect(() => process.output("stdout")).toThrow('cannot get stream reader: stdout of "x" has its own stream, port 8');
  expect(() => process.output("stderr")).toThrow(
    'cannot get stream reader: stderr of "x" is discarded because no port was given',
  );
  process.destroy();
  sys.close(write);
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
