import { closeSync, constants, createWriteStream, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { reason } from "../../lib/reason.ts";
import type { OutputName } from "../client/streams/position.ts";
import { OperationError } from "../operation-error.ts";

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

/** Where an engine wants a process's stdio: paths of FIFOs that it made, or file:// for output; empty for none. */
export interface StdioPaths {
  readonly stdin: string;
  readonly stdout: string;
  /** Unused with a terminal. */
  readonly stderr: string;
  readonly terminal: boolean;
}

/**
 * The host's ends of a process's stdio. Output FIFOs stay open for reading too, so that the engine may restart; one without a
 * reader stops the process once it is full, and nothing else.
 */
export class ProcessStdio implements Disposable {
  readonly #outputs: ReadonlyMap<OutputName, Writable>;
  readonly #input: Socket | undefined;
  /** Bytes that readers or files have taken. */
  written = 0;
  /** Keeps stdin from ending between two writers of the engine. */
  #keeper: number | undefined;

  private constructor(outputs: ReadonlyMap<OutputName, Writable>, input?: Socket, keeper?: number) {
    this.#outputs = outputs;
    this.#input = input;
    this.#keeper = keeper;
  }

  /** Opens them without waiting for the engine. Throws OperationError. */
  static open({ stdin, stdout, stderr, terminal }: StdioPaths): ProcessStdio {
    using undo = new DisposableStack();
    const outputs = new Map<OutputName, Writable>();
    for (const [name, path] of Object.entries({ stdout, stderr: terminal ? "" : stderr })) {
      if (path === "") continue;
      const output = openOutput(name, path);
      undo.defer(() => output.destroy());
      outputs.set(name as OutputName, output);
    }
    const input = stdin === "" ? undefined : opened("stdin", stdin, O_RDONLY | O_NONBLOCK);
    const keeper = stdin === "" ? undefined : opened("stdin", stdin, O_WRONLY | O_NONBLOCK);
    undo.move();
    return new ProcessStdio(outputs, input === undefined ? undefined : fromFifo(input, "readable"), keeper);
  }

  /** Resolves once the engine's FIFO or file has the bytes. Output that the engine doesn't want is dropped. */
  write(name: OutputName, bytes: Uint8Array): Promise<void> {
    const output = this.#outputs.get(name);
    if (output === undefined || output.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      output.once("close", resolve);
      output.write(bytes, () => {
        output.off("close", resolve);
        this.written += bytes.length;
        resolve();
      });
    });
  }

  /** Passes input on until it ends: once `closeInput` was called and the engine has closed its end. */
  async passInput(write: (bytes: Uint8Array) => Promise<void>, end: () => void): Promise<void> {
    if (this.#input === undefined) return end();
    try {
      for await (const bytes of this.#input) await write(bytes);
      end();
    } catch {
      // The process has ended, or its stdio was closed.
    }
  }

  /** Lets stdin end with the engine's writer. Idempotent. */
  closeInput(): void {
    if (this.#keeper !== undefined) closeSync(this.#keeper);
    this.#keeper = undefined;
  }

  /** Idempotent. Output that no one has read yet stays in the FIFO for its reader. */
  [Symbol.dispose](): void {
    this.closeInput();
    this.#input?.destroy();
    for (const output of this.#outputs.values()) output.destroy();
  }
}

function openOutput(name: string, path: string): Writable {
  const [, scheme, file = path] = /^([a-z]+):\/\/([^?]*)/.exec(path) ?? [];
  if (scheme === undefined) return fromFifo(opened(name, path, O_RDWR | O_NONBLOCK), "writable");
  if (scheme !== "file") {
    const remedy = `guestd's shim has no log driver of kind ${scheme}; use a FIFO or file://`;
    throw new OperationError(`${name} ${path}: ${remedy}`, { kind: "unsupported" });
  }
  const fd = opened(name, file, O_WRONLY | O_APPEND | O_CREAT);
  return createWriteStream(path, { fd }).on("error", () => undefined);
}

function fromFifo(fd: number, end: "readable" | "writable"): Socket {
  return new Socket({ fd, readable: end === "readable", writable: end === "writable" }).on("error", () => undefined);
}

function opened(name: string, path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw new OperationError(`${name} ${path}: ${reason(error)}; the engine has to make it`, { kind: "not-found" });
  }
}
