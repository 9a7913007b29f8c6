import { join } from "node:path";
import type { ChildDouble } from "../../../kernel/testing/init-double.ts";
import type { Spec } from "../../spec.ts";
import { filesBelow } from "../../testing/files-below.ts";
import { type TestKernel, testKernel } from "../../testing/test-kernel.ts";

const PROGRAMS = "/usr/lib/guestd/runtimes/";
/** Pid of no process: the kernel's are at most 2^22. */
const NO_PID = 2 ** 22 + 1;

/** A command line that the runtime was run with. */
export interface RuntimeCall {
  readonly name: string;
  readonly args: readonly string[];
  readonly child: ChildDouble;
  /** Returns the argument after `name`. */
  option(name: string): string;
  /** Reads config.json of the bundle. */
  config(): Spec;
}

/** OCI runtimes for tests, played in this process: each command writes the files that a real one would. */
export class RuntimeDouble {
  readonly kernel: TestKernel;
  readonly calls: RuntimeCall[] = [];
  /** Signals that were sent to adopted processes. */
  readonly signals: number[] = [];
  readonly mounts: unknown[][] = [];
  /** Pid in the next pid file. */
  pid = NO_PID;
  /** Runs within a command and returns its exit code. */
  onCall: (call: RuntimeCall) => number = () => 0;

  /** `root` holds /run and /sys. */
  constructor(root: string) {
    const files = filesBelow(root);
    this.kernel = testKernel({
      play: (child) => this.#play(child),
      files: { ...files, exists: (path) => path.startsWith(PROGRAMS) || files.exists(path) },
      sys: {
        signal: (_, number) => void this.signals.push(number),
        mount: async (...args) => void this.mounts.push(args),
        umount: async (...args) => void this.mounts.push(args),
        listenUnix: (path) => testKernel().sys.listenUnix(join(root, path)),
      },
    });
  }

  /** Makes a command fail with an error in its log. */
  fail(name: string): void {
    this.onCall = (call) => {
      if (call.name !== name) return 0;
      this.kernel.files.replace(call.option("--log"), `{"level":"error","msg":"${name} is broken"}`);
      return 1;
    };
  }

  #play(child: ChildDouble): void {
    child.executed();
    const exec = child.request.plan.find(({ op }) => op === "exec");
    const args = exec?.op === "exec" ? exec.args : [];
    if (args[0]?.startsWith(PROGRAMS) !== true) return;
    const { files } = this.kernel;
    const option = (name: string) => args[args.indexOf(name) + 1] ?? "";
    const config = () => JSON.parse(files.readText(`${option("--bundle")}/config.json`)) as Spec;
    const call = { name: option("--log-format=json"), args, child, option, config };
    this.calls.push(call);
    const code = this.onCall(call);
    if (code === 0 && args.includes("--pid-file")) files.replace(option("--pid-file"), `${this.pid}\n`);
    child.end({ code });
  }
}
