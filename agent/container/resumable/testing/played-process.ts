import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLedgerMemory, StreamLedger } from "../../../kernel/journal/stream-ledger.ts";
import type { ExitStatus, Fd, KeptFds } from "../../../kernel/kernel.ts";
import { openSys } from "../../../kernel/sys/sys.ts";
import { Process } from "../../process/process.ts";
import { type TestKernel, testKernel } from "../../testing/test-kernel.ts";
import { ByteMover, LARGE_PIPE_BYTES } from "../byte-mover.ts";
import type { KeptPipes } from "../kept-pipes.ts";
import type { OutputRequest } from "../output-request.ts";
import type { ResumableProcess } from "../resumable-process.ts";
import { ResumableProcesses } from "../resumable-processes.ts";

const sys = openSys();
const STREAMS = ["stdin", "stdout", "stderr"] as const;
type StreamName = (typeof STREAMS)[number];

/** A process that the test plays, at the other ends of real pipes. */
export interface PlayedProcess {
  readonly process: Process;
  readonly kernel: TestKernel;
  /** Prints as the process would. Returns the number of bytes that had room. */
  print(stream: "stdout" | "stderr", bytes: string | Uint8Array): number;
  /** Returns what the process can read from its input now. */
  typed(): string;
  /** Closes the process's ends of these streams, by default all. */
  hangUp(...names: StreamName[]): void;
  end(status?: Partial<ExitStatus>): Promise<void>;
  /** Removes the process and closes everything. */
  close(): void;
}

const NORMAL_END: ExitStatus = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
let launches = 0;

/** Starts a process; its terminal, if it has one, is a socket pair. */
export function playProcess({ terminal = false, pipeBytes = 0, execId = "x" } = {}): PlayedProcess {
  const kernel = testKernel();
  const { read: pidfd, write } = sys.pipe();
  sys.close(write);
  const { fds, ends } = terminal ? openTerminal() : openPipes(pipeBytes);
  const exit = Promise.withResolvers<ExitStatus>();
  const process = new Process(kernel, execId, { id: ++launches, pid: 1, pidfd, exit: exit.promise }, fds);
  for (const fd of new Set(ends.values())) sys.setNonBlocking(fd);
  const hangUp = (...names: StreamName[]) => {
    const closing = new Set<Fd>();
    for (const name of names.length === 0 ? STREAMS : names) {
      const fd = ends.get(name);
      if (ends.delete(name) && fd !== undefined) closing.add(fd);
    }
    for (const fd of closing) sys.close(fd);
  };
  return {
    process,
    kernel,
    print: (stream, bytes) => sys.write(ends.get(stream) ?? -1, Buffer.from(bytes)),
    typed() {
      const into = Buffer.alloc(65_536);
      return into.toString("latin1", 0, Math.max(sys.read(ends.get("stdin") ?? -1, into), 0));
    },
    hangUp,
    async end(status) {
      exit.resolve({ ...NORMAL_END, ...status });
      await process.exit;
    },
    close() {
      process.destroy();
      hangUp();
    },
  };
}

function openPipes(sizeBytes: number): { fds: KeptFds; ends: Map<StreamName, Fd> } {
  const [input, out, err] = [sys.pipe(), sys.pipe({ sizeBytes }), sys.pipe({ sizeBytes })];
  return {
    fds: { stdin: input.write, stdout: out.read, stderr: err.read },
    ends: new Map([
      ["stdin", input.read],
      ["stdout", out.write],
      ["stderr", err.write],
    ]),
  };
}

function openTerminal(): { fds: KeptFds; ends: Map<StreamName, Fd> } {
  const [master, tty] = sys.socketPair("stream");
  return { fds: { terminal: master }, ends: new Map(STREAMS.map((name) => [name, tty])) };
}

/** An agent's processes with positions, which `close` forgets as its death would. */
export interface PlayedAgent {
  readonly kernel: TestKernel;
  readonly ledger: StreamLedger;
  readonly directory: string;
  readonly processes: ResumableProcesses;
  add(played: PlayedProcess, request?: OutputRequest): ResumableProcess;
  /** Names that init was told to keep, or to drop, in order. */
  calls(what: "deposit" | "withdraw"): string[];
  close(): void;
}

interface PlayedAgentParts {
  readonly ledger?: StreamLedger;
  readonly directory?: string;
  readonly deposits?: ReadonlyMap<string, Fd>;
  readonly left?: readonly { readonly container: string; readonly process: Process }[];
}

/** Starts an agent, by default the first one. */
export function playAgent(parts: PlayedAgentParts = {}): PlayedAgent {
  const opened: Fd[] = [];
  const pipe: typeof sys.pipe = (options) => {
    const ends = sys.pipe(options);
    if (options?.sizeBytes === 2 * LARGE_PIPE_BYTES) opened.push(ends.read, ends.write); // lives as long as the agent
    return ends;
  };
  const kernel = testKernel({ greeting: { deposits: new Map(parts.deposits) }, sys: { pipe } });
  const ledger = parts.ledger ?? new StreamLedger(createLedgerMemory());
  const directory = parts.directory ?? mkdtempSync(join(tmpdir(), "guestd-spools-"));
  const processes = new ResumableProcesses(kernel, ledger, parts.left ?? [], directory);
  const mover = kernel.init.calls.find(([call, name]) => call === "deposit" && name === "streams:mover")?.[2];
  return {
    ...{ kernel, ledger, directory, processes },
    add: (played, request) =>
      processes.add(processes.prepare(undefined, request), { container: "c", process: played.process }),
    calls: (what) => kernel.init.calls.filter(([call]) => call === what).map(([, name]) => String(name)),
    close() {
      for (const fd of [mover ?? parts.deposits?.get("streams:mover"), ...opened]) {
        if (fd !== undefined) sys.close(Number(fd));
      }
      if (parts.directory === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Makes the agent's code open /dev/null, which it keeps, before a test counts descriptors. */
function openDevNull(): void {
  const [mover, output] = [sys.pipe(), sys.pipe()];
  sys.write(output.write, Buffer.of(0));
  const pipes = { open: () => mover.read } as unknown as KeptPipes;
  const splice: typeof sys.splice = (from, to, length) =>
    sys.splice(from, to === mover.read ? mover.write : to, length);
  const ledger = new StreamLedger(createLedgerMemory());
  new ByteMover({ ...sys, splice }, pipes, ledger, () => undefined).discard(0, 0, output.read, 1);
  for (const fd of [mover.read, mover.write, output.read, output.write]) sys.close(fd);
}

openDevNull();
