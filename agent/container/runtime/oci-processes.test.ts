import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { Process } from "../process/process.ts";
import type { ProcessSpec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import type { RuntimeName } from "./find-runtime.ts";
import { OciRuntime } from "./oci-runtime.ts";
import { RuntimeDouble } from "./testing/runtime-double.ts";

leavesNoDescriptors();

const BUNDLE = "/run/guestd/bundles/c1";
let root = "";
let double: RuntimeDouble;
let created: Process[] = [];
let program: ChildProcess | undefined;
const { signal } = new AbortController();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "oci-processes-"));
  double = new RuntimeDouble(root);
  [created, program] = [[], undefined];
});
afterEach(async () => {
  for (const process of created) process.destroy();
  if (program?.kill() === true) await once(program, "close");
  rmSync(root, { recursive: true });
});

function runtimeOf(name: RuntimeName, process: Partial<ProcessSpec> = {}): OciRuntime {
  const cgroup = join(root, "cgroup");
  mkdirSync(cgroup, { recursive: true });
  const spec = testSpec({ mounts: [], process: { ...testSpec().process, ...process } });
  return new OciRuntime(double.kernel, { id: "c1", spec, cgroup, pipeSize: 4096 }, name);
}

async function keep(creation: Promise<Process>): Promise<Process> {
  const process = await creation;
  created.push(process);
  return process;
}

const exec = (runtime: OciRuntime, init: Process, bornLast = false) =>
  keep(runtime.exec(init, "e1", testSpec().process, signal, { bornLast }));
const last = () => double.calls.at(-1)?.args ?? [];
const fromCommand = () => last().slice(last().indexOf("--log-format=json") + 1);

/** Starts the runtime's own program, which becomes the container's when it reads a line. */
function waitingProgram(): void {
  program = spawn("sh", ["-c", "read line; exec sleep 1000"], { stdio: ["pipe", "ignore", "ignore"] });
  double.pid = program.pid ?? double.pid;
}

test("a start resolves once the runtime's program has become the container's", async () => {
  waitingProgram();
  const runtime = runtimeOf("crun");
  const init = await keep(runtime.create(undefined));
  const exe = `/proc/${double.pid}/exe`;
  const before = readlinkSync(exe);
  double.onCall = () => {
    program?.stdin?.write("\n");
    return 0;
  };
  await runtime.start(init, signal);
  expect(readlinkSync(exe)).not.toBe(before);
  expect(fromCommand()).toEqual(["start", "c1"]);
  expect(init.release).toBeUndefined();
});

test("a container waits for its start until the runtime has started it", async () => {
  const runtime = runtimeOf("runsc");
  const init = await keep(runtime.create(undefined));
  expect(init.release).toBeDefined();
  double.fail("start");
  await expect(runtime.start(init, signal)).rejects.toThrow(/^runsc start c1: start is broken$/);
  expect(init.release).toBeDefined();
  double.onCall = () => 0;
  await runtime.start(init, signal);
  expect(init.release).toBeUndefined();
  await runtime.afterStart();
});

test("a start after a restart of the agent ignores that the runtime refuses to start twice", async () => {
  const runtime = runtimeOf("crun");
  const init = await keep(runtime.create(undefined));
  double.fail("start");
  await runtime.start(init, signal, true);
  expect(init.release).toBeUndefined();
  const aborted = AbortSignal.abort(new Error("removed"));
  await expect(runtime.start(init, aborted, true)).rejects.toThrow("removed");
});

test("an exec is a detached command with its own process file, which is removed", async () => {
  const runtime = runtimeOf("crun");
  const init = await keep(runtime.create(undefined));
  let text = "";
  double.onCall = ({ option }) => {
    text = double.kernel.files.readText(option("--process"));
    return 0;
  };
  const process = await exec(runtime, init);
  expect(fromCommand()).toEqual([
    ...["exec", "--detach", "--process", expect.stringMatching(/^\/run\/guestd\/bundles\/c1\/process-\d+\.json$/)],
    ...["--pid-file", expect.stringMatching(/\/pid-\d+$/), "c1"],
  ]);
  expect(JSON.parse(text)).toMatchObject({ args: ["/bin/sh"], cwd: "/" });
  expect(double.kernel.init.adopted.at(-1)).toMatchObject({ label: '{"container":"c1","exec":"e1"}' });
  expect(Object.keys(double.kernel.init.adopted.at(-1)?.keep ?? {}).sort()).toEqual(["stderr", "stdin", "stdout"]);
  expect(process.execId).toBe("e1");
  expect(double.kernel.files.list(BUNDLE)).toEqual(["config.json"]);
});

test("an exec that fails leaves no file", async () => {
  const runtime = runtimeOf("runsc");
  const init = await keep(runtime.create(undefined));
  double.fail("exec");
  await expect(exec(runtime, init)).rejects.toThrow(/^runsc exec c1: exec is broken$/);
  expect(double.kernel.files.list(BUNDLE)).toEqual(["config.json"]);
});

test("an exec's pipes have the requested size", async () => {
  const runtime = runtimeOf("crun");
  const init = await keep(runtime.create(undefined));
  double.onCall = ({ child }) => {
    const [, , stdout = -1] = child.slots;
    double.kernel.sys.setNonBlocking(stdout);
    expect(double.kernel.sys.write(stdout, new Uint8Array(9000))).toBe(4096);
    return 0;
  };
  await exec(runtime, init);
});

test("an exec that could be traced is launched by the built-in runtime, unless the runtime has its own kernel", async () => {
  const [direct, sandboxed] = [runtimeOf("runc"), runtimeOf("runsc")];
  const init = await keep(direct.create(undefined));
  await exec(direct, init, true);
  expect(double.calls.map(({ name }) => name)).toEqual(["create"]);
  double.kernel.init.children.at(-1)?.end();
  await exec(sandboxed, init, true);
  expect(double.calls.map(({ name }) => name)).toEqual(["create", "exec"]);
});

test("runsc signals an exec by its pid in the sandbox, until it has ended", async () => {
  const runtime = runtimeOf("runsc");
  const init = await keep(runtime.create(undefined));
  double.onCall = ({ name, option }) => {
    if (name === "exec") double.kernel.files.replace(option("--internal-pid-file"), "7\n");
    return 0;
  };
  const process = await exec(runtime, init);
  expect(fromCommand().slice(-3)).toEqual(["--internal-pid-file", expect.stringMatching(/\/inside-\d+$/), "c1"]);
  await runtime.signal(process, 15, false);
  expect(fromCommand()).toEqual(["kill", "--pid", "7", "c1", "15"]);
  await runtime.signal(init, 15, true);
  expect(fromCommand()).toEqual(["kill", "c1", "15"]);
  expect(double.kernel.files.list(BUNDLE)).toHaveLength(2);
  const calls = double.calls.length;
  double.kernel.init.endAdopted(double.pid);
  await process.exit;
  await runtime.signal(process, 15, false);
  expect(double.calls).toHaveLength(calls);
  expect(double.kernel.files.list(BUNDLE)).toEqual(["config.json"]);
  expect(double.signals).toEqual([]);
});

test("a process of crun gets signals directly; an init process that would not notice SIGTERM is killed", async () => {
  const runtime = runtimeOf("crun");
  const init = await keep(runtime.create(undefined));
  await runtime.signal(init, 1, true);
  await runtime.signal(init, 15, true);
  await runtime.signal(await exec(runtime, init), 15, false);
  expect(double.signals).toEqual([1, 9, 15]);
  expect(double.calls.map(({ name }) => name)).toEqual(["create", "exec"]);
});

function sendsTerminal(): { readonly sizes: unknown[]; readonly sockets: string[] } {
  const [sizes, sockets]: [unknown[], string[]] = [[], []];
  const { sys, files } = double.kernel;
  Object.assign(sys, {
    acceptDescriptor: async () => {
      const { read, write } = sys.pipe();
      sys.close(write);
      return read;
    },
    setWindowSize: (...[, rows, columns]: [number, number, number]) => sizes.push([rows, columns]),
  });
  double.onCall = ({ option }) => {
    expect(files.exists(option("--console-socket"))).toBe(true);
    sockets.push(option("--console-socket"));
    return 0;
  };
  return { sizes, sockets };
}

test("the runtime sends a terminal over a socket; the terminal gets the requested size", async () => {
  const { sizes, sockets } = sendsTerminal();
  const runtime = runtimeOf("crun", { terminal: true, consoleSize: { height: 30, width: 100 } });
  const init = await keep(runtime.create(undefined));
  expect(init.terminal).toBe(true);
  expect(Object.keys(double.kernel.init.adopted[0]?.keep ?? {}).sort()).toEqual(["release", "terminal"]);
  expect(sizes).toEqual([[30, 100]]);
  expect(sockets).toEqual([expect.stringMatching(/^\/run\/guestd\/runtimes\/crun\/tty-\d+$/)]);
  expect(double.kernel.files.list("/run/guestd/runtimes/crun")).toEqual([]);
});

test("a terminal without a requested size keeps the kernel's", async () => {
  const { sizes } = sendsTerminal();
  await keep(runtimeOf("crun", { terminal: true }).create(undefined));
  expect(sizes).toEqual([]);
});

test("a terminal whose size can't be set is closed, and the creation fails", async () => {
  sendsTerminal();
  const refuse = () => {
    throw new Error("no terminal");
  };
  Object.assign(double.kernel.sys, { setWindowSize: refuse });
  const runtime = runtimeOf("crun", { terminal: true, consoleSize: { height: 30, width: 100 } });
  await expect(runtime.create(undefined)).rejects.toThrow("no terminal");
});

test("no descriptor stays open if one of the pipes can't be opened", async () => {
  const { sys } = double.kernel;
  const { pipe } = sys;
  let left = 2;
  const few = () => {
    if (left-- === 0) throw new Error("EMFILE");
    return pipe();
  };
  Object.assign(sys, { pipe: few });
  await expect(runtimeOf("crun").create(undefined)).rejects.toThrow("EMFILE");
});
